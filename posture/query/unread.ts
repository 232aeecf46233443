/**
 * Stands in a view for a fact that could not be read. It is a class so that nothing that came as data can pass for it.
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

/** Can it be told? Null stands for what is not there, {@link Unread} for what could not be read. */
export function isMissing(value: unknown): value is null | Unread {
  return value === null || value instanceof Unread;
}
