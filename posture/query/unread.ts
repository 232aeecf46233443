import type { Span } from './query-error.ts';

/**
 * Stands for a value that is not known, in a view for a fact that could not be read. It is a class so that nothing that
 * came as data can pass for it.
 */
export class Unread {
  /** `containers[shop-db].seccomp` */
  readonly path: string;
  /** Where we looked and why it failed: `/proc/4121/status: permission denied (EACCES)`. */
  readonly reason: string;

  constructor(path: string, reason: string) {
    this.path = path;
    this.reason = reason;
  }
}

/** Stands for a part of an expression that has no value: a division by zero, a text that is no number. */
export class Failure extends Unread {
  readonly at: Span;

  constructor(reason: string, at: Span) {
    super('', reason);
    this.at = at;
  }
}

/** Is it not known? Null is a value that is absent, {@link Unread} one that could not be read or computed. */
export function isMissing(value: unknown): value is null | Unread {
  return value === null || value instanceof Unread;
}
