import type { Detected, Detector } from '../detector.ts';
import type { FileTree, TreeFile } from '../file-tree.ts';
import { detection, NO_PACKAGES, onlyGap } from './detection.ts';
import { directoryOf, field, isObject, items, joinPath, readJson } from './manifest-content.ts';

const MAX_BYTES = 32 * 1024 * 1024;

/**
 * Packages of Composer: `vendor/composer/installed.json` (a list in Composer 1, an object in Composer 2). A
 * `composer.lock` counts where Composer installed nothing beside it, without development dependencies.
 */
export const php: Detector = {
  name: 'php',
  matches: ({ path }) => path.endsWith('/composer/installed.json') || path.endsWith('/composer.lock'),
  layouts: [[/^composer$/, /^installed\.json$/], [/^composer\.lock$/]],
  detect: (file, tree) => (file.path.endsWith('.lock') ? readLock(file, tree) : readInstalled(file)),
};

function readInstalled(file: TreeFile): Detected {
  const content = readJson(file, MAX_BYTES);
  if (!content.ok) return onlyGap(file, content.reason);
  const packages = Array.isArray(content.value) ? content.value : field(content.value, 'packages');
  return readPackages(file, packages);
}

function readLock(file: TreeFile, tree: FileTree): Detected {
  const installed = joinPath(directoryOf(file.path), 'vendor/composer/installed.json');
  if (tree.file(installed) !== undefined || file.path.includes('/vendor/')) return NO_PACKAGES;
  const content = readJson(file, MAX_BYTES);
  return content.ok ? readPackages(file, field(content.value, 'packages')) : onlyGap(file, content.reason);
}

function readPackages(file: TreeFile, packages: unknown): Detected {
  if (!Array.isArray(packages)) return onlyGap(file, 'has no list of packages');
  const found = detection('composer', file);
  for (const entry of items(packages)) {
    const name = field(entry, 'name');
    const version = field(entry, 'version');
    // A metapackage has no code; what it requires is in the list too.
    if (isObject(entry) && field(entry, 'type') === 'metapackage') continue;
    found.add(typeof name === 'string' ? name.toLowerCase() : name, withoutPrefix(version));
  }
  return found.result();
}

/** Composer treats `v1.2.3` and `1.2.3` as one version. */
function withoutPrefix(version: unknown): unknown {
  return typeof version === 'string' ? version.replace(/^v(?=\d)/, '') : version;
}
