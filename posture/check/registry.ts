import type { Check } from './check.ts';
import { privileged } from './container/privileged.ts';

/** Every check, sorted by id. A test compares this list with the directory. */
export const CHECKS: readonly Check[] = Object.freeze([privileged]);
