import type { SudoRule } from '../../../posture/fact/accounts.ts';
import { clip } from '../clip.ts';

/** A line of sudoers, joined where it was continued, and where it begins. */
interface Line {
  readonly text: string;
  readonly number: number;
}

/** What one file of sudoers says; `includes` are paths in order. */
export interface SudoersFile {
  readonly includes: readonly { readonly kind: 'file' | 'directory'; readonly path: string }[];
  readonly aliases: ReadonlyMap<string, readonly string[]>;
  readonly rules: readonly UserSpecification[];
  /** `Defaults !authenticate` without a restriction: nobody is asked for a password. */
  readonly asksNobody: boolean;
}

/** A user specification: who may run what. Names of aliases are not replaced yet. */
export interface UserSpecification {
  readonly who: readonly string[];
  readonly commands: readonly { readonly command: string; readonly noPassword: boolean }[];
  readonly line: number;
}

const MAX_NAMES = 64;

/** Reads one file in the format of sudoers(5). What is not understood is no rule: sudo refuses such a line too. */
export function parseSudoers(text: string): SudoersFile {
  const includes: { kind: 'file' | 'directory'; path: string }[] = [];
  const aliases = new Map<string, readonly string[]>();
  const rules: UserSpecification[] = [];
  let asksNobody = false;
  for (const { text: line, number } of linesOf(text)) {
    const include = /^[#@](include|includedir)[ \t]+"?([^"]+?)"?[ \t]*$/.exec(line);
    if (include?.[2] !== undefined) {
      includes.push({ kind: include[1] === 'include' ? 'file' : 'directory', path: include[2] });
      continue;
    }
    const plain = withoutComment(line).trim();
    if (plain === '') continue;
    const alias = /^(User|Runas|Host|Cmnd|Cmd)_Alias[ \t]+(.*)$/.exec(plain);
    if (alias?.[2] !== undefined) addAliases(aliases, alias[2]);
    else if (/^Defaults(?:[ \t]|[@:!>])/.test(plain)) {
      if (/^Defaults[ \t]/.test(plain) && /(?:^|[\s,])!\s*authenticate\b/.test(plain)) asksNobody = true;
    } else {
      const rule = parseRule(plain, number);
      if (rule !== undefined) rules.push(rule);
    }
  }
  return { includes, aliases, rules, asksNobody };
}

/** The rules of all files together: aliases replaced, each user specification one rule. */
export function sudoRules(
  files: readonly { readonly path: string; readonly file: SudoersFile }[],
): readonly SudoRule[] {
  const aliases = new Map(files.flatMap(({ file }) => [...file.aliases]));
  const asksNobody = files.some(({ file }) => file.asksNobody);
  return files.flatMap(({ path, file }) =>
    file.rules.map(({ who, commands, line }) => {
      const all = commands.filter(({ command }) => resolve([command], aliases).has('ALL'));
      const noPassword = asksNobody || (all.length > 0 ? all : commands).some((each) => each.noPassword);
      const names = [...resolve(who, aliases)].slice(0, MAX_NAMES).map((name) => clip(name, 256));
      return { who: names, allCommands: all.length > 0, noPassword, source: clip(`${path}:${String(line)}`, 4096) };
    }),
  );
}

/** doas.conf(5): `permit [nopass …] identity [as target] [cmd …]`, a line each; groups are written `:wheel`. */
export function parseDoas(text: string, path: string): readonly SudoRule[] {
  return linesOf(text).flatMap(({ text: line, number }) => {
    const words = withoutComment(line).trim().split(/\s+/);
    if (words[0] !== 'permit') return [];
    let index = 1;
    let noPassword = false;
    for (; index < words.length; index += 1) {
      const word = words[index] ?? '';
      if (word === 'nopass') noPassword = true;
      else if (word.startsWith('setenv')) {
        while (index < words.length && words[index]?.endsWith('}') !== true) index += 1;
      } else if (!['persist', 'keepenv', 'nolog'].includes(word)) break;
    }
    const identity = words[index];
    if (identity === undefined) return [];
    const rest = words.slice(index + 1);
    const target = rest[0] === 'as' ? rest[1] : undefined;
    if (target !== undefined && target !== 'root') return [];
    return [
      {
        who: [clip(identity.startsWith(':') ? `%${identity.slice(1)}` : identity, 256)],
        allCommands: !rest.includes('cmd'),
        noPassword,
        source: clip(`${path}:${String(number)}`, 4096),
      },
    ];
  });
}

function linesOf(text: string): readonly Line[] {
  const lines: Line[] = [];
  let joined = '';
  let start = 1;
  for (const [index, line] of text.split('\n').entries()) {
    if (joined === '') start = index + 1;
    if (line.endsWith('\\')) {
      joined += `${line.slice(0, -1)} `;
      continue;
    }
    lines.push({ text: (joined + line).trim(), number: start });
    joined = '';
  }
  if (joined !== '') lines.push({ text: joined.trim(), number: start });
  return lines;
}

/** `#` begins a comment, but not where a user id is written: `#1000`. */
function withoutComment(line: string): string {
  const match = /(^|[^\\])#(?![-\d])/.exec(line);
  return match === null ? line : line.slice(0, match.index + (match[1] ?? '').length);
}

/** `A = x, y : B = z` */
function addAliases(aliases: Map<string, readonly string[]>, text: string): void {
  for (const definition of text.split(/\s:\s(?=\s*[A-Z][A-Z\d_]*\s*=)/)) {
    const match = /^\s*([A-Z][A-Z\d_]*)\s*\+?=\s*(.*)$/.exec(definition);
    if (match?.[1] !== undefined && match[2] !== undefined)
      aliases.set(match[1], [...(aliases.get(match[1]) ?? []), ...namesIn(match[2])]);
  }
}

/** `user, %group host = (runas) TAG: command, command : host = …` */
function parseRule(text: string, line: number): UserSpecification | undefined {
  const equals = text.indexOf('=');
  // The host is the last word before the equals sign.
  const before = /^(.*\S)\s+(\S+)\s*$/.exec(text.slice(0, equals === -1 ? 0 : equals).replaceAll(/\s*,\s*/g, ','));
  if (before?.[1] === undefined) return undefined;
  let noPassword = false;
  let isRoot = true;
  const commands: { command: string; noPassword: boolean }[] = [];
  for (const part of splitCommands(text.slice(equals + 1))) {
    let rest = part.trim();
    const runas = /^\(([^)]*)\)\s*/.exec(rest);
    if (runas?.[1] !== undefined) {
      isRoot = runsAsRoot(runas[1]);
      rest = rest.slice(runas[0].length);
    }
    for (let tag = /^([A-Z_]+):\s*/.exec(rest); tag !== null; tag = /^([A-Z_]+):\s*/.exec(rest)) {
      if (tag[1] === 'NOPASSWD') noPassword = true;
      else if (tag[1] === 'PASSWD') noPassword = false;
      rest = rest.slice(tag[0].length);
    }
    if (isRoot && rest !== '' && !rest.startsWith('!'))
      commands.push({ command: rest.split(/\s/, 1)[0] ?? '', noPassword });
  }
  return commands.length === 0 ? undefined : { who: namesIn(before[1]), commands, line };
}

/** Another user is no way to root; an alias may be one. */
function runsAsRoot(runas: string): boolean {
  const users = namesIn(runas.split(':', 1)[0] ?? '');
  return users.some((user) => user === 'ALL' || user === 'root' || user === '#0' || /^[A-Z][A-Z\d_]*$/.test(user));
}

function splitCommands(text: string): readonly string[] {
  return text.split(/(?<!\\),/);
}

function namesIn(text: string): readonly string[] {
  return text
    .split(',')
    .map((name) => name.trim().replaceAll(/^"|"$/g, ''))
    .filter((name) => name !== '');
}

/** Names with aliases replaced, to any depth; a name that is taken out again (`!x`) is left out. */
function resolve(names: readonly string[], aliases: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const found = new Set<string>();
  const seen = new Set<string>();
  const pending = [...names];
  // The list grows while it is walked.
  for (const name of pending) {
    const members = aliases.get(name);
    if (members === undefined) {
      if (!name.startsWith('!')) found.add(name);
    } else if (!seen.has(name)) {
      seen.add(name);
      pending.push(...members);
    }
  }
  return found;
}
