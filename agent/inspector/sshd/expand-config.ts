import type { Host } from '../../host/host.ts';
import { readTrusted } from '../trusted-path.ts';
import { expandGlob } from './glob.ts';
import { both, parseCondition } from './match-condition.ts';
import type { Condition } from './match-condition.ts';
import { parseSshdConfig } from './sshd-config.ts';
import type { Directive } from './sshd-config.ts';

/** A line of the configuration, where it stands, and under which Match. */
export interface PlacedDirective {
  readonly keyword: string;
  readonly args: readonly string[];
  /** `/etc/ssh/sshd_config:12` */
  readonly place: string;
  /** Index among the blocks; -1 outside of any Match. */
  readonly block: number;
}

/** A file that was read. */
export interface ConfigFile {
  readonly path: string;
  readonly modifiedAtMs: number;
}

/** The configuration with all includes in place. */
export interface ExpandedConfig {
  readonly directives: readonly PlacedDirective[];
  readonly blocks: readonly Condition[];
  readonly files: readonly ConfigFile[];
}

/** Where the configuration cannot be followed, and why. `absent`: the main file does not exist. */
export interface ConfigProblem {
  readonly problem: 'absent' | 'unreadable';
  readonly place: string;
  readonly reason: string;
}

/** SERVCONF_MAX_DEPTH of OpenSSH. */
const MAX_DEPTH = 16;
const MAX_FILES = 1024;
const MAX_DIRECTIVES = 50_000;
const MAX_BLOCKS = 255;
/** Where relative paths of Include start. */
const SSH_DIRECTORY = '/etc/ssh';

/**
 * Reads the configuration as sshd does: Include stands for the lines of the files it names, where it stands; a Match
 * holds to the next Match or the end of its file; an Include within a Match is conditional, and so is all in it.
 */
export async function expandConfig(host: Host, mainPath: string): Promise<ExpandedConfig | ConfigProblem> {
  if (!mainPath.startsWith('/')) return unreadableAt('-f', 'a relative path: where it leads is not known');
  const directives: PlacedDirective[] = [];
  const blocks: Condition[] = [];
  const files: ConfigFile[] = [];

  /** What stands in the file, with `outer` as the block that is open where it is included. */
  const walk = async (path: string, outer: number, depth: number): Promise<ConfigProblem | undefined> => {
    if (depth > MAX_DEPTH) return unreadableAt(path, 'more than 16 includes within each other');
    if (files.length >= MAX_FILES) return unreadableAt(path, `more than ${String(MAX_FILES)} files`);
    const lines = await readLines(host, path, files);
    if ('problem' in lines) return lines;
    let block = outer;
    for (const { keyword, args, line } of lines.directives) {
      const place = `${path}:${String(line)}`;
      if (keyword === 'match') {
        const inner = parseCondition(args);
        if (inner === undefined) return unreadableAt(place, 'sshd does not know this condition');
        const around = blocks[outer];
        if (blocks.length === MAX_BLOCKS) return unreadableAt(place, `more than ${String(MAX_BLOCKS)} Match blocks`);
        block = blocks.push(around === undefined ? inner : both(around, inner)) - 1;
      } else if (keyword === 'include') {
        const problem = await include(args, place, block, depth);
        if (problem !== undefined) return problem;
      } else {
        if (directives.length === MAX_DIRECTIVES) return unreadableAt(place, 'the configuration is too long');
        directives.push({ keyword, args, place, block });
      }
    }
    return undefined;
  };

  const include = async (
    patterns: readonly string[],
    place: string,
    block: number,
    depth: number,
  ): Promise<ConfigProblem | undefined> => {
    for (const pattern of patterns) {
      const paths = await expandGlob(host, pattern.startsWith('/') ? pattern : `${SSH_DIRECTORY}/${pattern}`);
      if (paths === undefined) return unreadableAt(place, 'a directory of this Include cannot be read');
      for (const path of paths) {
        const problem = await walk(path, block, depth + 1);
        if (problem === undefined) continue;
        if (problem.problem !== 'absent') return problem;
        // A name that does not exist, or a file that was removed meanwhile, is nothing; sshd stops at a dead link.
        if ((await host.readLink(path)).ok) return unreadableAt(path, 'a link to a file that does not exist');
      }
    }
    return undefined;
  };

  const problem = await walk(mainPath, -1, 0);
  return problem ?? { directives, blocks, files };
}

async function readLines(
  host: Host,
  path: string,
  files: ConfigFile[],
): Promise<{ readonly directives: readonly Directive[] } | ConfigProblem> {
  const read = await readTrusted(host, path);
  if (!read.ok) {
    const problem = read.code === 'absent' ? 'absent' : 'unreadable';
    return { problem, place: path, reason: read.reason };
  }
  const { bytes, stat } = read.value;
  files.push({ path, modifiedAtMs: stat.modifiedAtMs });
  const parsed = parseSshdConfig(bytes.toString('utf8'));
  return parsed.ok ? parsed : unreadableAt(`${path}:${String(parsed.line)}`, parsed.problem);
}

function unreadableAt(place: string, reason: string): ConfigProblem {
  return { problem: 'unreadable', place, reason };
}
