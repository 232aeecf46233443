/**
 * How what is in force relates to what was declared. `unread`: the kernel could not be asked, so nothing is claimed.
 * `only`: nothing was declared that could be compared.
 */
export type Relation = 'same' | 'differs' | 'unread' | 'only';

/** One setting of a container: declared beside effective, as people read it. The texts may come from outside. */
export interface ComparedSetting {
  readonly name: string;
  readonly declared: string;
  readonly effective: string;
  readonly relation: Relation;
  /** Where they differ: in which way. Otherwise empty. */
  readonly difference: string;
  /** What is weak about what is in force, in two or three words; empty: nothing is. */
  readonly weakness: string;
}

/** What a setting says beyond its two sides. */
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

/** A setting that the kernel was not asked about, or not heard on. */
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
