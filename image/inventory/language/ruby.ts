import type { Detected, Detector } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';
import { detection, onlyGap } from './detection.ts';
import { baseName, readText } from './manifest-content.ts';

/** RubyGems writes at most some hundred lines; those with thousands of files stay below 1 MiB. */
const MAX_BYTES = 4 * 1024 * 1024;

/** `name = "rake".freeze` or `version = Gem::Version.new("13.0.6")`, of whatever the block variable is called. */
const ASSIGNMENT = /^\s{0,16}\w{1,32}\.(name|version)\s{0,8}=\s{0,8}(?:Gem::Version\.new\()?(["'])([^"'\\#]{1,512})\2/;

/**
 * Installed gems: `specifications/NAME-VERSION.gemspec`, with those of Ruby itself in `specifications/default`. RubyGems
 * generates these files with literal values. They are Ruby programs and are never evaluated: a specification whose name
 * or version is an expression, or does not agree with the name of the file, is a gap.
 */
export const ruby: Detector = {
  name: 'ruby',
  matches: ({ path }) => path.endsWith('.gemspec') && /\/specifications\/(?:default\/)?[^/]+$/.test(path),
  layouts: [
    [/^specifications$/, /\.gemspec$/],
    [/^specifications$/, /^default$/, /\.gemspec$/],
  ],
  detect: readSpecification,
};

function readSpecification(file: TreeFile): Detected {
  const text = readText(file, MAX_BYTES);
  if (!text.ok) return onlyGap(file, text.reason);
  let name: string | undefined;
  let version: string | undefined;
  for (const line of text.value.split('\n')) {
    const match = ASSIGNMENT.exec(line);
    if (match?.[1] === 'name') name ??= match[3];
    else if (match?.[1] === 'version') version ??= match[3];
    if (name !== undefined && version !== undefined) break;
  }
  if (name === undefined || version === undefined) return onlyGap(file, 'has no literal name and version');
  // Text that only looks like an assignment, as in a comment, must not decide: RubyGems names the file itself.
  const fileName = baseName(file.path).slice(0, -'.gemspec'.length);
  if (fileName !== `${name}-${version}` && !fileName.startsWith(`${name}-${version}-`)) {
    return onlyGap(file, 'has another name or version than its file name says');
  }
  const found = detection('gem', file);
  found.add(name, version);
  return found.result();
}
