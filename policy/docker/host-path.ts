import { isCleanPath } from './container-policy.ts';
import type { ContainerPolicy } from './container-policy.ts';
import { quote } from './violation.ts';
import type { Violation } from './violation.ts';

/** A directory or file of the host that a request wants to mount. */
export interface HostMount {
  readonly field: string;
  readonly source: string;
  /** Whether the mount, and what is mounted below it, is read-only. */
  readonly isReadOnly: boolean;
}

/**
 * Whether the policy allows a mount. The path is compared as text: a link below an allowed directory leads wherever its
 * owner wants, which docs/docker-authorization.md says.
 */
export function judgeHostMount(mount: HostMount, { hostPaths }: ContainerPolicy): readonly Violation[] {
  // dockerd cleans the path as text, too; a slash at the end has no meaning.
  const source = withoutTrailingSlashes(mount.source);
  const refused = (actual: string, action: string): readonly Violation[] => [{ field: mount.field, actual, action }];
  if (!isCleanPath(source))
    return refused(`the host path ${quote(mount.source)}`, 'Name an absolute path without "." and "..".');
  const covering = hostPaths.filter(({ path }) => covers(path, source));
  if (covering.length === 0)
    return refused(
      `the host path ${quote(source)}`,
      'Use a named volume, or ask for the path to be added to spec.hostPaths.',
    );
  return mount.isReadOnly || covering.some(({ readOnly }) => !readOnly)
    ? []
    : refused(`the host path ${quote(source)}, writable`, 'Mount it read-only.');
}

function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

function covers(pattern: string, path: string): boolean {
  if (!pattern.endsWith('/**')) return pattern === path;
  const directory = pattern.slice(0, -3);
  return path === (directory || '/') || path.startsWith(`${directory}/`);
}
