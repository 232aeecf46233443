import { isAddressList } from './address.ts';
import { parsePort } from './readers.ts';
import type { Services } from './readers.ts';
import type { SshdProgram } from './release.ts';
import { lowerCase } from './sshd-config.ts';
import { refused } from './values.ts';
import type { ConfigError } from './values.ts';
import { matchesPatternList } from './wildcard.ts';

/** A Match line: its criteria, all of which must hold. `Match all` has none. */
export interface Condition {
  /** As it is written, without `Match`. */
  readonly text: string;
  /** Lists by lower-case name of the criterion, each of which must match; `invalid-user` has none. */
  readonly criteria: ReadonlyMap<string, readonly string[]>;
  /** No connection satisfies it: the version of the program is another. */
  readonly isNever: boolean;
}

/** Criteria with the release that brought them. */
const CRITERIA: ReadonlyMap<string, number> = new Map([
  ['user', 0],
  ['group', 0],
  ['host', 0],
  ['address', 0],
  ['localaddress', 0],
  ['localport', 0],
  ['rdomain', 707],
  ['version', 1000],
]);
/** Since this release `invalid-user` is known, and `User=x` is the same as `User x`. */
const NEWER_FORMS = 909;

/** `Match User deploy Address 10.0.0.0/8`, sshd_config(5): criteria in pairs, or `all` alone. */
export function parseCondition(
  args: readonly string[],
  program: SshdProgram,
  services: Services,
): Condition | ConfigError {
  const criteria = new Map<string, readonly string[]>();
  const words = [...args];
  const release = program.release ?? Number.POSITIVE_INFINITY;
  const text = args.join(' ');
  let isNever = false;
  let count = 0;
  for (let word = words.shift(); word !== undefined && !word.startsWith('#'); word = words.shift()) {
    const [, name = '', attached] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const isAttached = attached !== undefined && CRITERIA.has(lowerCase(name)) && release >= NEWER_FORMS;
    const criterion = lowerCase(isAttached ? name : word);
    count += 1;
    if (criterion === 'all') {
      const [next = ''] = words;
      const isAlone = count === 1 && ((next === '' && words.length < 2) || next.startsWith('#'));
      return isAlone ? { text, criteria, isNever } : wrongCriteria;
    }
    if (criterion === 'invalid-user' && release >= NEWER_FORMS) {
      criteria.set(criterion, []);
      continue;
    }
    const list = isAttached ? attached : words.shift();
    if (list === undefined || list === '' || list.startsWith('#')) return wrongCriteria;
    if ((CRITERIA.get(criterion) ?? Number.POSITIVE_INFINITY) > release || !CRITERIA.has(criterion))
      return wrongCriteria;
    const problem = listProblem(criterion, list, program, services);
    if (problem !== undefined) return problem;
    const port = criterion === 'localport' ? parsePort(list, services) : undefined;
    if (typeof port === 'object') return port;
    const value = port === undefined ? list : String(port);
    if (criterion !== 'version') criteria.set(criterion, [...(criteria.get(criterion) ?? []), value]);
    else if (!matchesPatternList(list, program.version ?? '')) isNever = true;
  }
  return count === 0 ? wrongCriteria : { text, criteria, isNever };
}

const wrongCriteria = refused('sshd does not accept the criteria of the Match line');

function listProblem(
  criterion: string,
  list: string,
  { version }: SshdProgram,
  services: Services,
): ConfigError | undefined {
  if (criterion.endsWith('address') && !isAddressList(list)) return wrongCriteria;
  if (criterion === 'version' && version === undefined)
    return { kind: 'unknown', text: 'the version that the Match line names is not known' };
  return criterion === 'localport' && parsePort(list, services) === undefined ? wrongCriteria : undefined;
}

/** Both must hold: a Match in a file that is included within a Match. */
export function both(outer: Condition, inner: Condition): Condition {
  const criteria = new Map(outer.criteria);
  for (const [name, lists] of inner.criteria) criteria.set(name, [...(criteria.get(name) ?? []), ...lists]);
  const texts = [outer, inner].filter((each) => each.criteria.size > 0 || each.isNever).map(({ text }) => text);
  return { text: texts.join(' '), criteria, isNever: outer.isNever || inner.isNever };
}

/** Does it hold for every connection? */
export function isAlways({ criteria, isNever }: Condition): boolean {
  return criteria.size === 0 && !isNever;
}
