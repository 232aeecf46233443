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
  /** `Defaults !authenticate` for everyone, or for what runs as root: nobody is asked for a password. */
  readonly asksNobody: boolean;
  /** Users, groups and aliases that Defaults exempt from the password: `Defaults:ada !authenticate`, exempt_group. */
  readonly exempt: readonly string[];
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
  const exempt: string[] = [];
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
      const defaults = parseDefaults(plain);
      asksNobody = defaults.asksNobody ?? asksNobody;
      exempt.push(...defaults.exempt);
    } else {
      const rule = parseRule(plain, number);
      if (rule !== undefined) rules.push(rule);
    }
  }
  return { includes, aliases, rules, asksNobody, exempt };
}

/** The rules of all files together: aliases replaced, each user specification one rule. */
export function sudoRules(
  files: readonly { readonly path: string; readonly file: SudoersFile }[],
): readonly SudoRule[] {
  const aliases = new Map(files.flatMap(({ file }) => [...file.aliases]));
  const asksNobody = files.some(({ file }) => file.asksNobody);
  const exempt = resolve(
    files.flatMap((each) => each.file.exempt),
    aliases,
  );
  const rules = files.flatMap(({ path, file }) =>
    file.rules.map(({ who, commands, line }) => {
      const all = commands.filter(({ command }) => resolve([command], aliases).has('ALL'));
      const users = [...resolve(who, aliases)];
      const asksNone = asksNobody || users.some((name) => exempt.has(name)) || exempt.has('ALL');
      const noPassword = asksNone || (all.length > 0 ? all : commands).some((each) => each.noPassword);
      const names = users.slice(0, MAX_NAMES).map((name) => clip(name, 256));
      return { who: names, allCommands: all.length > 0, noPassword, source: clip(`${path}:${String(line)}`, 4096) };
    }),
  );
  // A rule for a group is one for the exempt among its members as well.
  const ofMany = rules.find(({ who, allCommands }) => allCommands && who.some((name) => /^%|^ALL$/.test(name)));
  const others = [...exempt].filter((name) => !rules.some(({ who }) => who.includes(name)));
  return ofMany === undefined || others.length === 0
    ? rules
    : [...rules, { ...ofMany, who: others.slice(0, MAX_NAMES).map((name) => clip(name, 256)), noPassword: true }];
}

/**
 * `Defaults !authenticate`, for everyone or for the users (`:`), hosts (`@`), commands (`!`) or target users (`>`) of a
 * list, and `exempt_group=NAME`. Which host this is, is not known: each counts. The last of a line counts.
 */
function parseDefaults(line: string): { readonly asksNobody: boolean | undefined; readonly exempt: readonly string[] } {
  const [, scope = '', list = '', settings = ''] =
    /^Defaults(?:([:@!>])\s*([^\s,]+(?:\s*,\s*[^\s,]+)*))?\s+(.*)$/.exec(line) ?? [];
  const group = /(?:^|[\s,])exempt_group\s*=\s*"?([\w.-]+)/.exec(settings)?.[1];
  const exempt = group === undefined ? [] : [`%${group}`];
  const last = [...settings.matchAll(/(?:^|[\s,])(!?)\s*authenticate\b/g)].at(-1)?.[1];
  if (last === undefined) return { asksNobody: undefined, exempt };
  const isOff = last === '!';
  if (scope === '' || scope === '@') return { asksNobody: isOff, exempt };
  const names = namesIn(list);
  if (scope === ':') return { asksNobody: undefined, exempt: isOff ? [...exempt, ...names] : exempt };
  const concernsRoot = scope === '>' ? runsAsRoot(list) : names.includes('ALL');
  return { asksNobody: isOff && concernsRoot ? true : undefined, exempt };
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
  const commands = text
    .slice(equals + 1)
    .split(NEXT_HOST)
    .flatMap(parseCommands);
  return commands.length === 0 ? undefined : { who: namesIn(before[1]), commands, line };
}

/** Options before a command, sudoers(5) Option_Spec, and what its file must hash to. */
const OPTION =
  /^(?:(?:ROLE|TYPE|CWD|CHROOT|TIMEOUT|NOTBEFORE|NOTAFTER|APPARMOR_PROFILE|PRIVS|LIMITPRIVS)\s*=\s*(?:"[^"]*"|\S+)|sha(?:224|256|384|512)\s*:\s*\S+)\s*/;
const TAG = /^([A-Z_]+)\s*:\s*/;
/** ` : host = ` between the commands of two hosts. */
const NEXT_HOST = /\s:\s*(?!(?:ROLE|TYPE|CWD|CHROOT|TIMEOUT|NOT\w+|\w*PRIVS|\w+_PROFILE)\s*=)[^\s:=(),"]+\s*=/;

/** `(runas) TAG: OPTION=value command, command`; what stands before a command counts for those after it. */
function parseCommands(text: string): UserSpecification['commands'] {
  let noPassword = false;
  let isRoot = true;
  const commands: { command: string; noPassword: boolean }[] = [];
  for (const part of splitCommands(text)) {
    let rest = part.trim();
    const runas = /^\(([^)]*)\)\s*/.exec(rest);
    if (runas?.[1] !== undefined) {
      isRoot = runsAsRoot(runas[1]);
      rest = rest.slice(runas[0].length);
    }
    for (let next = OPTION.exec(rest) ?? TAG.exec(rest); next !== null; next = OPTION.exec(rest) ?? TAG.exec(rest)) {
      if (next[1] === 'NOPASSWD') noPassword = true;
      else if (next[1] === 'PASSWD') noPassword = false;
      rest = rest.slice(next[0].length);
    }
    if (isRoot && rest !== '' && !rest.startsWith('!'))
      commands.push({ command: rest.split(/\s/, 1)[0] ?? '', noPassword });
  }
  return commands;
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
