import { isAddressList } from './address.ts';
import { algorithmsOf, assembleAlgorithms, isAlgorithmList } from './algorithms.ts';
import type { AlgorithmKeyword } from './algorithms.ts';
import { MAX_INT, parseTime, parseWhole } from './numbers.ts';
import type { SshdProgram } from './release.ts';
import { lowerCase, skipWhitespace, WORDS_SINCE } from './sshd-config.ts';

/** A value that was set, and the line that set it. Text is one character a byte. */
export interface Option {
  readonly values: readonly string[];
  readonly source: string;
}

/** What was set, by lower-case keyword; `keyword.part` where a keyword sets several things. */
export type Options = Map<string, Option>;

/** Why a line cannot be taken: sshd refuses it, or it is not known whether it does. */
export interface ConfigError {
  readonly kind: 'refused' | 'unknown';
  readonly text: string;
}

/** A line that is being read. A reader takes its arguments from `args`; what is left is too much. */
export interface Line {
  /** Lower-case name of what is set, aliases resolved. */
  readonly keyword: string;
  readonly args: string[];
  /** What follows the keyword, as it is written. */
  readonly rest: string;
  /** It takes effect, rather than being checked only. */
  readonly isActive: boolean;
  readonly source: string;
  readonly options: Options;
  readonly program: SshdProgram;
  /** Home directories by user name, `''` is root's; for `~`. */
  readonly homes: ReadonlyMap<string, string>;
  /** Ports by the name of the service; undefined where they were not read. */
  readonly services: ReadonlyMap<string, number> | undefined;
}

/** Reads one line into its options. */
export type Reader = (line: Line) => ConfigError | undefined;

export const refused = (text: string): ConfigError => ({ kind: 'refused', text });
const missing = refused('an argument is missing');
const notAccepted = refused('sshd does not accept the value');

/** The first line counts. */
export function setFirst(
  { isActive, options, source, keyword }: Line,
  values: readonly string[],
  name = keyword,
): void {
  if (isActive && !options.has(name)) options.set(name, { values, source });
}

/** The last line counts. */
export function setLast({ isActive, options, source, keyword }: Line, values: readonly string[], name = keyword): void {
  if (isActive) options.set(name, { values, source });
}

function append({ isActive, options, source, keyword }: Line, values: readonly string[]): void {
  if (!isActive) return;
  const before = options.get(keyword);
  options.set(keyword, { values: [...(before?.values ?? []), ...values], source: before?.source ?? source });
}

/** Takes one argument that is not empty. */
export function single(read: (argument: string, line: Line) => string | ConfigError | undefined): Reader {
  return (line) => {
    const argument = line.args.shift() ?? '';
    if (argument === '') return missing;
    const value = read(argument, line);
    if (value === undefined) return notAccepted;
    if (typeof value !== 'string') return value;
    setFirst(line, [value]);
    return undefined;
  };
}

/** One of some words in any case; some mean the same as another. */
export function words(meanings: Readonly<Record<string, string>>): Reader {
  return single((argument) => {
    const word = lowerCase(argument);
    return Object.hasOwn(meanings, word) ? meanings[word] : undefined;
  });
}

export const yesNo = words({ yes: 'yes', no: 'no' });
export const text = single((argument) => argument);
export const whole = single((argument) => parseWhole(argument, 0, MAX_INT)?.toString());
export const time = single((argument) => parseTime(argument)?.toString());

/** All arguments, of which there must be one; none may be empty. */
export function several(
  accepts: (argument: string, line: Line) => boolean,
  set: typeof append | typeof setFirst = setFirst,
): Reader {
  return (line) => {
    const values = line.args.splice(0);
    // Before 8.7, a line of a list that grows may be empty.
    const mayBeEmpty = set === append && (line.program.release ?? WORDS_SINCE) < WORDS_SINCE;
    if (values.length === 0) return mayBeEmpty ? undefined : missing;
    if (!values.every((value) => value !== '' && accepts(value, line))) return notAccepted;
    set(line, values);
    return undefined;
  };
}

/** All arguments, added to those of earlier lines. */
export const adding = (accepts: (argument: string) => boolean): Reader => several(accepts, append);

/** `a@b`: what follows the last `@` is a list of hosts and networks. */
export function isUserPattern(pattern: string): boolean {
  const at = pattern.lastIndexOf('@');
  return at === -1 || isAddressList(pattern.slice(at + 1));
}

/** That home directories would have to be known. */
export const HOME_MISSING: ConfigError = { kind: 'unknown', text: 'the home directory of a user is not known' };

/** A path with `~` expanded; a user who is not in passwd(5) may be known to another service. */
export function expandTilde(path: string, homes: ReadonlyMap<string, string>): string | ConfigError {
  const match = /^~([^/]*)\/*(.*)$/s.exec(path);
  if (match === null) return path;
  const [, user = '', rest = ''] = match;
  const home = homes.get(user);
  if (home === undefined) return HOME_MISSING;
  return `${home}${home.endsWith('/') ? '' : '/'}${rest}`;
}

/** An absolute path; relative ones start at the working directory of sshd, which is `/` for a service. */
function absolute(path: string, { homes }: Line): string | ConfigError {
  if (lowerCase(path) === 'none') return 'none';
  const expanded = expandTilde(path, homes);
  return typeof expanded !== 'string' || expanded.startsWith('/') ? expanded : `//${expanded}`;
}

/** A path, made absolute where it counts; `keeps` are words that are no paths. */
export function file(...keeps: readonly string[]): Reader {
  return single((argument, line) => {
    const counts = line.isActive && !line.options.has(line.keyword);
    return !counts || keeps.includes(argument) ? argument : absolute(argument, line);
  });
}

/** Paths, each line one, that add up. */
export const addingFile: Reader = (line) => {
  const argument = line.args.shift() ?? '';
  if (argument === '') return missing;
  if (!line.isActive) return undefined;
  const path = absolute(argument, line);
  if (typeof path !== 'string') return path;
  append(line, [path]);
  return undefined;
};

/** Files below the home of the user who logs in, or absolute. */
export const keyFiles: Reader = (line) => {
  const paths = line.args.splice(0).map((each) => (each === '' ? missing : expandTilde(each, line.homes)));
  if (paths.length === 0) return missing;
  for (const path of paths) if (typeof path !== 'string') return path;
  setFirst(
    line,
    paths.filter((path) => typeof path === 'string'),
  );
  return undefined;
};

/** The rest of the line: an absolute path with arguments, or `none`. */
export const command: Reader = (line) => {
  line.args.length = 0;
  const written = skipWhitespace(line.rest);
  if (!written.startsWith('/') && lowerCase(written) !== 'none') return refused('the command has no absolute path');
  setFirst(line, [written]);
  return undefined;
};

/** A list of algorithms, kept as it is written until the lines outside and inside of Match are combined. */
export function algorithmList(keyword: AlgorithmKeyword): Reader {
  return single((argument, { program }) => {
    const { release } = program;
    if (release === undefined || algorithmsOf(keyword, release) === undefined) return argument;
    return isAlgorithmList(keyword, release, argument, addedTo(keyword, argument, program))
      ? argument
      : refused('sshd does not know an algorithm');
  });
}

/** Key exchanges of a list that the program has, whatever its release: the Red Hat family adds those of later ones. */
function addedTo(keyword: AlgorithmKeyword, written: string, { holds }: SshdProgram): readonly string[] {
  if (keyword !== 'kexalgorithms') return [];
  const names = written.replace(/^[+^]/, '').split(',');
  return names.filter((name) => /^[a-z0-9]{6,40}-sha\d{3}$/.test(name) && holds(name) === true);
}

/** The algorithms that are offered; `written` is undefined where no line sets them. undefined: sshd refuses the list. */
export function offered(
  keyword: AlgorithmKeyword,
  written: string | undefined,
  program: SshdProgram,
): readonly string[] | 'unknown' | undefined {
  const known = program.release === undefined ? undefined : algorithmsOf(keyword, program.release);
  if (known !== undefined) {
    const added = addedTo(keyword, written ?? '', program);
    return assembleAlgorithms({ ...known, all: [...known.all, ...added] }, written ?? '');
  }
  // A list in full means the same in each release; what is added to or removed from the defaults does not.
  const isPlain = written !== undefined && !/^[-+^]/.test(written) && !/[*?!]/.test(written);
  return isPlain ? written.split(',').filter((name) => name !== '') : 'unknown';
}
