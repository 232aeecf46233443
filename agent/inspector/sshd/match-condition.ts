import { matchesPatternList } from './wildcard.ts';

/** A Match line: its criteria, or `all`. */
export interface Condition {
  /** As it is written, without `Match`. */
  readonly text: string;
  /** By lower-case name; `invalid-user` has an empty value. `all` has no criteria. */
  readonly criteria: ReadonlyMap<string, string>;
}

/** `Match User deploy Address 10.0.0.0/8`, sshd_config(5): criteria in pairs (or `User=deploy`), all must hold. */
export function parseCondition(args: readonly string[]): Condition | undefined {
  const criteria = new Map<string, string>();
  const text = args.join(' ');
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] ?? '';
    const equals = word.indexOf('=');
    const name = (equals === -1 ? word : word.slice(0, equals)).toLowerCase();
    if (name === 'all') return args.length === 1 ? { text, criteria } : undefined;
    if (name === 'invalid-user') {
      criteria.set(name, '');
      continue;
    }
    if (equals === -1) index += 1;
    const value = equals === -1 ? args[index] : word.slice(equals + 1);
    if (value === undefined || value === '') return undefined;
    // Criteria of one name add up: both must hold.
    const before = criteria.get(name);
    criteria.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  return criteria.size === 0 ? undefined : { text, criteria };
}

/**
 * Does every connection that satisfies `narrow` satisfy `wide` as well, as far as can be told without a connection? Of
 * several Match blocks that hold, the first that sets a keyword decides, so `User *` before `User deploy` matters.
 */
export function implies(narrow: Condition, wide: Condition): boolean {
  for (const [name, patterns] of wide.criteria) {
    const own = narrow.criteria.get(name);
    if (own === undefined) {
      if (patterns !== '*') return false;
    } else if (own !== patterns && !isCovered(name, own, patterns)) return false;
  }
  return true;
}

/** Every literal of the narrow list is matched by the wide one. Networks are compared by their text only. */
function isCovered(name: string, narrow: string, wide: string): boolean {
  if (narrow.includes('\n') || wide.includes('\n') || /[*?!]/.test(narrow)) return wide === '*';
  const isNetwork = name === 'address' || name === 'localaddress';
  if (isNetwork && (narrow.includes('/') || wide.includes('/'))) return false;
  return narrow.split(',').every((literal) => matchesPatternList(wide, literal));
}

/** Both must hold: a Match in a file that is included within a Match. */
export function both(outer: Condition, inner: Condition): Condition {
  const criteria = new Map(outer.criteria);
  for (const [name, value] of inner.criteria) {
    const before = criteria.get(name);
    criteria.set(name, before === undefined || before === value ? value : `${before}\n${value}`);
  }
  const text = inner.criteria.size === 0 ? outer.text : `${outer.text} ${inner.text}`;
  return { text: outer.criteria.size === 0 ? inner.text : text, criteria };
}
