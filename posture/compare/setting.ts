/**
 * How the effective value relates to the declared one. `unread`: it could not be read, so nothing is claimed. `only`:
 * nothing was declared that could be compared.
 */
export type Relation = 'same' | 'differs' | 'unread' | 'only';

/** One setting of a container: declared beside effective, as text for people. The texts may come from the node. */
export interface ComparedSetting {
  readonly name: string;
  readonly declared: string;
  readonly effective: string;
  readonly relation: Relation;
  /** Where they differ: in which way. Otherwise empty. */
  readonly difference: string;
  /** The weakness of the effective value, in two or three words; empty: none. */
  readonly weakness: string;
}

/** How the two values of a setting relate. */
interface Judged {
  readonly relation: Relation;
  readonly difference?: string;
  readonly weakness?: string;
}

/** A setting that was read. */
export function setting(name: string, declared: string, effective: string, judged: Judged): ComparedSetting {
  const { relation, difference = '', weakness = '' } = judged;
  return { name, declared, effective, relation, difference, weakness };
}

/** A setting whose effective value could not be read. */
export function unreadSetting(name: string, declared: string): ComparedSetting {
  return setting(name, declared, 'not read', { relation: 'unread' });
}

/** `same` where `isSame`, otherwise `differs` with the words for it. */
export function relationOf(isSame: boolean, difference: string): Pick<ComparedSetting, 'relation' | 'difference'> {
  return isSame ? { relation: 'same', difference: '' } : { relation: 'differs', difference };
}

/** `yes` or `no`. */
export function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

/** A count with its word: `1 filter`, `3 filters`. `plural` where an s is not enough. */
export function counted(value: number, one: string, plural = `${one}s`): string {
  return `${String(value)} ${value === 1 ? one : plural}`;
}
