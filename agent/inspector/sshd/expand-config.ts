import type { Host } from '../../host/host.ts';
import { readTrusted, statTrusted } from '../trusted-path.ts';
import { expandGlob } from './glob.ts';
import { both, isAlways, parseCondition } from './match-condition.ts';
import type { Condition } from './match-condition.ts';
import { decodeBytes, parseSshdConfig, WORDS_SINCE } from './sshd-config.ts';
import type { Directive, Splitting } from './sshd-config.ts';
import type { Line } from './values.ts';

/** A line of the configuration, where it is, and under which Match. */
export interface PlacedDirective extends Omit<Directive, 'line'> {
  /** `/etc/ssh/sshd_config:12` */
  readonly place: string;
  /** Index among the blocks; -1 outside of any Match. */
  readonly block: number;
  /** It takes effect when sshd starts: it is outside of any Match, or in one that always holds. */
  readonly isStart: boolean;
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

/** Why the configuration cannot be followed. `absent`: the main file does not exist; `refused`: sshd refuses it. */
export interface ConfigProblem {
  readonly problem: 'absent' | 'unreadable' | 'refused';
  readonly place: string;
  readonly reason: string;
}

/** SERVCONF_MAX_DEPTH of OpenSSH. */
const MAX_DEPTH = 16;
const MAX_FILES = 1024;
const MAX_DIRECTIVES = 50_000;
const MAX_BLOCKS = 4096;
/** Where relative paths of Include start. */
const SSH_DIRECTORY = '/etc/ssh';
/** Release that brought Include. */
const INCLUDE_SINCE = 802;

/** Where a line is: its block, and whether that holds when sshd starts. */
interface Scope {
  readonly block: number;
  readonly isStart: boolean;
}

/**
 * Reads the configuration as sshd does: Include is replaced by the lines of the files it names; a Match holds to the
 * next Match or the end of its file; an Include within a Match is conditional, and so is all in it.
 */
export async function expandConfig(
  host: Host,
  mainPath: string,
  { program, services }: Pick<Line, 'program' | 'services'>,
): Promise<ExpandedConfig | ConfigProblem> {
  if (!mainPath.startsWith('/')) return unreadableAt('-f', 'a relative path: where it leads is not known');
  const directives: PlacedDirective[] = [];
  const blocks: Condition[] = [];
  const files: ConfigFile[] = [];
  const release = program.release ?? Number.POSITIVE_INFINITY;
  const splitting = release >= WORDS_SINCE ? 'words' : 'delimiters';

  /** The lines of one file; `outer` is the scope in which it is included. */
  const walk = async (path: string, outer: Scope, depth: number): Promise<ConfigProblem | undefined> => {
    if (depth > MAX_DEPTH) return refusedAt(path, 'there are more than 16 includes within each other');
    if (files.length >= MAX_FILES) return unreadableAt(path, `more than ${String(MAX_FILES)} files`);
    const lines = await readLines(host, path, files, splitting);
    if ('problem' in lines) return lines;
    let scope = outer;
    for (const { line, ...directive } of lines.directives) {
      const place = `${path}:${String(line)}`;
      if (directive.keyword === 'match') {
        const next = enterMatch(directive.args, outer, place);
        if ('problem' in next) return next;
        scope = next;
      } else if (directive.keyword === 'include' && release >= INCLUDE_SINCE) {
        const problem = await include(directive.args, place, scope, depth);
        if (problem !== undefined) return problem;
      } else {
        if (directives.length === MAX_DIRECTIVES) return unreadableAt(place, 'the configuration is too long');
        directives.push({ ...directive, ...scope, place });
      }
    }
    return undefined;
  };

  const enterMatch = (args: readonly string[], outer: Scope, place: string): Scope | ConfigProblem => {
    const inner = parseCondition(args, program, services);
    if ('kind' in inner)
      return { problem: inner.kind === 'refused' ? 'refused' : 'unreadable', place, reason: inner.text };
    if (blocks.length === MAX_BLOCKS) return unreadableAt(place, `more than ${String(MAX_BLOCKS)} Match blocks`);
    const around = blocks[outer.block];
    const block = blocks.push(around === undefined ? inner : both(around, inner)) - 1;
    return { block, isStart: outer.isStart && isAlways(inner) };
  };

  const include = async (
    patterns: readonly string[],
    place: string,
    scope: Scope,
    depth: number,
  ): Promise<ConfigProblem | undefined> => {
    if (patterns.length === 0 || patterns.includes('')) return refusedAt(place, 'Include names no file');
    for (const pattern of patterns) {
      const paths = await expandGlob(host, absolutePattern(pattern));
      if (paths === undefined) return unreadableAt(place, 'a directory of Include cannot be read');
      for (const path of paths) {
        const problem = await walk(path, scope, depth + 1);
        if (problem === undefined) continue;
        if (problem.problem !== 'absent') return problem;
        // A name that does not exist has no effect; sshd stops at a link to a file that does not exist.
        if ((await host.readLink(path)).ok) return refusedAt(path, 'a link to a file that does not exist');
      }
    }
    return undefined;
  };

  const problem = await walk(mainPath, { block: -1, isStart: true }, 0);
  return problem ?? { directives, blocks, files };
}

/** sshd does not expand `~` here: it is a name below the working directory of the service, `/`. */
function absolutePattern(pattern: string): string {
  const path = decodeBytes(pattern);
  if (path.startsWith('/')) return path;
  return path.startsWith('~') ? `/${path}` : `${SSH_DIRECTORY}/${path}`;
}

async function readLines(
  host: Host,
  path: string,
  files: ConfigFile[],
  splitting: Splitting,
): Promise<{ readonly directives: readonly Directive[] } | ConfigProblem> {
  if (path === '/dev/null') return { directives: [] };
  const read = await readTrusted(host, path);
  if (!read.ok) {
    // sshd opens a directory like a file, and finds no lines in it.
    const stat = read.code === 'notRegular' ? await statTrusted(host, path) : read;
    if (stat.ok && stat.value.kind === 'directory') return { directives: [] };
    return { problem: read.code === 'absent' ? 'absent' : 'unreadable', place: path, reason: read.reason };
  }
  const { bytes, stat } = read.value;
  files.push({ path, modifiedAtMs: stat.modifiedAtMs });
  const parsed = parseSshdConfig(bytes, splitting);
  return parsed.ok ? parsed : refusedAt(`${path}:${String(parsed.line)}`, parsed.problem);
}

function unreadableAt(place: string, reason: string): ConfigProblem {
  return { problem: 'unreadable', place, reason };
}

function refusedAt(place: string, reason: string): ConfigProblem {
  return { problem: 'refused', place, reason };
}
