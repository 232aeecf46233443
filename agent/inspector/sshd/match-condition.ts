import { matchesPatternList } from './wildcard.ts';

/** A Match line: its criteria, or `all`. */
export interface Condition {
  /** As it is written, without `Match`. */
  readonly text: string;
  /** Pattern lists by lower-case name, each of which must match; `invalid-user` has none. `all` has no criteria. */
  readonly criteria: ReadonlyMap<string, readonly string[]>;
}

/** `Match User deploy Address 10.0.0.0/8`, sshd_config(5): criteria in pairs (or `User=deploy`), all must hold. */
export function parseCondition(args: readonly string[]): Condition | undefined {
  const criteria = new Map<string, readonly string[]>();
  const text = args.join(' ');
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] ?? '';
    const equals = word.indexOf('=');
    const name = (equals === -1 ? word : word.slice(0, equals)).toLowerCase();
    if (name === 'all') return args.length === 1 ? { text, criteria } : undefined;
    if (name === 'invalid-user') {
      criteria.set(name, []);
      continue;
    }
    if (equals === -1) index += 1;
    const value = equals === -1 ? args[index] : word.slice(equals + 1);
    if (value === undefined || value === '') return undefined;
    criteria.set(name, [...(criteria.get(name) ?? []), value]);
  }
  return criteria.size === 0 ? undefined : { text, criteria };
}

/**
 * Does every connection that satisfies `narrow` satisfy `wide` as well, as far as can be told without a connection? Of
 * several Match blocks that hold, the first that sets a keyword decides, so `User *` before `User deploy` matters.
 */
export function implies(narrow: Condition, wide: Condition): boolean {
  for (const [name, lists] of wide.criteria) {
    const own = narrow.criteria.get(name);
    if (own === undefined && lists.length === 0) return false;
    if (!lists.every((list) => list === '*' || own?.some((each) => isCovered(name, each, list)) === true)) return false;
  }
  return true;
}

/** Every literal of the narrow list is matched by the wide one. Networks are compared by their text only. */
function isCovered(name: string, narrow: string, wide: string): boolean {
  if (narrow === wide) return true;
  if (/[*?!]/.test(narrow)) return false;
  const isNetwork = name === 'address' || name === 'localaddress';
  if (isNetwork && (narrow.includes('/') || wide.includes('/'))) return false;
  return narrow.split(',').every((literal) => matchesPatternList(wide, literal));
}

/** Both must hold: a Match in a file that is included within a Match. */
export function both(outer: Condition, inner: Condition): Condition {
  const criteria = new Map(outer.criteria);
  for (const [name, lists] of inner.criteria) criteria.set(name, [...(criteria.get(name) ?? []), ...lists]);
  const text = inner.criteria.size === 0 ? outer.text : `${outer.text} ${inner.text}`;
  return { text: outer.criteria.size === 0 ? inner.text : text, criteria };
}
