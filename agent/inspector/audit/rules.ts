import { MAX_AUDIT_RULES } from '../../../posture/fact/audit.ts';
import { clip } from '../clip.ts';

/** A file with audit rules. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
}

/** A rule as it is written: its path is not resolved yet. */
export interface WrittenRule {
  readonly source: string;
  readonly text: string;
  readonly action: 'always' | 'never';
  readonly list: 'exit' | 'task' | 'other';
  /** `file`: `-F path=`, `tree`: `-F dir=`, `watch`: `-w`, which is either, by what is at the path. */
  readonly kind: 'file' | 'tree' | 'watch' | 'none';
  readonly path: string;
  readonly permissions: string;
  readonly architecture: 'all' | 'b64' | 'b32';
  readonly syscalls: readonly string[];
  readonly conditions: readonly string[];
}

/** What a file or directory of rules says. */
export interface WrittenRules {
  readonly enabled: number | null;
  readonly rules: readonly WrittenRule[];
  readonly notUnderstood: readonly string[];
}

interface Line {
  readonly source: string;
  readonly text: string;
}

/** A rule written by a person has few fields. */
const MAX_FIELDS = 64;
export const MAX_NOT_UNDERSTOOD = 64;
/** Options with a value that do not change what is recorded: limits, failure mode, loading. auditctl(8). */
const SETTINGS: ReadonlySet<string> = new Set(['b', 'f', 'r', 'm', 'q']);
const SWITCHES: ReadonlySet<string> = new Set(['c', 'i', 't', 'l', 's', 'v', 'h']);

/**
 * What augenrules(8) makes of the files of `rules.d`, given in natural order: a plain `-D` comes first, so it deletes
 * nothing of them; the last `-e` comes last.
 */
export function mergeRuleFiles(files: readonly RuleFile[]): WrittenRules {
  const lines = files.flatMap(linesOf);
  return parseLines(lines.filter(({ text }) => !/^-D$/.test(text)));
}

/** `audit.rules`, read line by line as auditctl(8) does with `-R`. */
export function parseRuleFile(file: RuleFile): WrittenRules {
  return parseLines(linesOf(file));
}

/** The order of `ls -v`: runs of digits compare as numbers. */
export function naturalOrder(one: string, other: string): number {
  const parts = [one, other].map((name) => name.match(/\d+|\D+/g) ?? []);
  const [left = [], right = []] = parts;
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const [a = '', b = ''] = [left[index], right[index]];
    if (a === b) continue;
    const areNumbers = /^\d/.test(a) && /^\d/.test(b);
    if (areNumbers && Number(a) !== Number(b)) return Number(a) - Number(b);
    return a < b ? -1 : 1;
  }
  return left.length - right.length;
}

function linesOf({ path, text }: RuleFile): readonly Line[] {
  return text
    .split('\n')
    .map((line, index) => ({ source: `${path}:${String(index + 1)}`, text: line.trim() }))
    .filter((line) => line.text !== '' && !line.text.startsWith('#'));
}

function parseLines(lines: readonly Line[]): WrittenRules {
  let enabled: number | null = null;
  let rules: WrittenRule[] = [];
  const notUnderstood: string[] = [];
  for (const line of lines) {
    const parsed = parseLine(line);
    if (parsed === 'deleteAll') rules = [];
    else if (parsed === undefined || rules.length >= MAX_AUDIT_RULES) {
      if (notUnderstood.length < MAX_NOT_UNDERSTOOD) notUnderstood.push(line.source);
    } else if (parsed === 'setting') continue;
    else if (typeof parsed === 'number') enabled = parsed;
    else if (parsed.isFirst) rules.unshift(parsed.rule);
    else rules.push(parsed.rule);
  }
  return { enabled, rules, notUnderstood };
}

type ParsedLine = 'deleteAll' | 'setting' | number | { readonly rule: WrittenRule; readonly isFirst: boolean };

/** undefined: not understood. */
function parseLine({ source, text }: Line): ParsedLine | undefined {
  if (text === '-D') return 'deleteAll';
  if (/^--(?:backlog_wait_time|loginuid-immutable|reset-lost|reset_backlog_wait_time_actual)\b/.test(text))
    return 'setting';
  const options = optionsOf(text);
  if (options === undefined) return undefined;
  const first = options[0]?.name ?? '';
  if (first === 'e') return /^[012]$/.test(options[0]?.value ?? '') ? Number(options[0]?.value) : undefined;
  if (SETTINGS.has(first) || SWITCHES.has(first)) return 'setting';
  const rule = ruleOf(options, { source: clip(source, 4128), text: clip(text, 512) });
  return rule && { rule, isFirst: options.some(({ name }) => name === 'A') };
}

interface Option {
  readonly name: string;
  readonly value: string;
}

/** `-w /path` and `-w/path`, getopt(3). undefined: a word that belongs to no option. */
function optionsOf(text: string): readonly Option[] | undefined {
  const words = text.split(/\s+/);
  const options: Option[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const [, name, attached] = /^-([A-Za-z])(.*)$/.exec(words[index] ?? '') ?? [];
    if (name === undefined || options.length >= MAX_FIELDS) return undefined;
    if (SWITCHES.has(name)) options.push({ name, value: '' });
    else if (attached !== undefined && attached !== '') options.push({ name, value: attached });
    else options.push({ name, value: words[++index] ?? '' });
  }
  return options;
}

type Draft = { -readonly [K in keyof WrittenRule]: WrittenRule[K] } & { syscalls: string[]; conditions: string[] };

function ruleOf(options: readonly Option[], { source, text }: Line): WrittenRule | undefined {
  const rule: Draft = {
    source,
    text,
    action: 'always',
    list: 'exit',
    kind: 'none',
    path: '',
    permissions: '',
    architecture: 'all',
    syscalls: [],
    conditions: [],
  };
  let isRule = false;
  for (const { name, value } of options) {
    if (name === 'w') {
      if (!value.startsWith('/')) return undefined;
      rule.kind = 'watch';
      rule.path = clip(withoutEndingSlash(value), 4096);
      isRule = true;
    } else if (name === 'a' || name === 'A') {
      const words = value.split(',');
      // Written in both orders. `possible` and `entry` are of old releases, which newer ones refuse.
      const action = words.find((word) => word === 'always' || word === 'never');
      const list = words.find((word) => word !== action);
      if (words.length !== 2 || action === undefined || list === undefined) return undefined;
      rule.action = action === 'never' ? 'never' : 'always';
      rule.list = list === 'exit' || list === 'task' ? list : 'other';
      isRule = true;
    } else if (name === 'p') {
      if (!/^[rwxa]{1,4}$/.test(value)) return undefined;
      rule.permissions = value;
    } else if (name === 'S') {
      if (value !== 'all') rule.syscalls.push(...value.split(',').map((word) => clip(word, 256)));
    } else if (name === 'F') {
      if (!putField(rule, value)) return undefined;
    } else if (name === 'C') rule.conditions.push(clip(value, 256));
    else if (name !== 'k') return undefined;
  }
  return isRule && rule.syscalls.length <= MAX_FIELDS ? rule : undefined;
}

/** false: not understood. */
function putField(rule: Draft, field: string): boolean {
  const [, name = '', operator = '', value = ''] = /^([a-z0-9_]+)(!=|<=|>=|&=|=|<|>|&)(.*)$/i.exec(field) ?? [];
  const isEqual = operator === '=';
  switch (name) {
    case '':
      return false;
    case 'key':
      return true;
    case 'path':
    case 'dir':
      if (!isEqual || !value.startsWith('/')) return false;
      rule.kind = name === 'dir' ? 'tree' : 'file';
      rule.path = clip(withoutEndingSlash(value), 4096);
      return true;
    case 'perm':
      if (!isEqual || !/^[rwxa]{1,4}$/.test(value)) return false;
      rule.permissions = value;
      return true;
    case 'arch':
      if (isEqual && /^(?:b64|x86_64|aarch64|ppc64le|ppc64|s390x)$/.test(value)) rule.architecture = 'b64';
      else if (isEqual && /^(?:b32|i[3-6]86|arm|ppc|s390)$/.test(value)) rule.architecture = 'b32';
      else rule.conditions.push(clip(field, 256));
      return true;
    default:
      rule.conditions.push(clip(field, 256));
      return true;
  }
}

function withoutEndingSlash(path: string): string {
  return path.replace(/\/+$/, '') || '/';
}
