import { fail, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { mountAt, mountLine } from '../mount.ts';

export const readOnlyRoot = containerCheck({
  id: 'container.read-only-root',
  title: 'The root file system of every container is read-only',
  severity: 'medium',
  rationale:
    'On a writable root an intruder can replace programs, drop tools and leave them for the next start. Read-only, what runs is what was built.',
  remediation:
    'Start the container with --read-only and give it --tmpfs /tmp or a volume for the few directories that it writes to.',
  references: ['https://docs.docker.com/reference/cli/docker/container/run/#read-only'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const { readOnlyRoot: asked } = container.declared;
    const declared: Evidence = {
      source: 'inspect HostConfig.ReadonlyRootfs',
      seen: asked ? 'declared read-only' : 'not declared read-only',
      expected: 'read-only',
    };
    const { mounts } = container;
    // What was not asked for does not come by itself: that alone is proof enough.
    if (mounts.state !== 'seen') return asked ? notSeen(mounts, declared) : fail(declared);
    const root = mountAt(mounts.value, '/');
    if (root === undefined)
      return notSeen({ state: 'unreadable', source: mounts.source, reason: 'no line for /' }, declared);
    const kernel = { source: mounts.source, seen: mountLine(root), expected: 'ro' };
    if (!root.readOnly) return fail(kernel, declared);
    // Another process may see the same root through a mount of its own.
    for (const { mounts: others } of container.mountNamespaces) {
      if (others.state === 'unreadable') return notSeen(others, declared);
      const same = others.state === 'seen' ? mountAt(others.value, '/') : undefined;
      if (same !== undefined && !same.readOnly && same.device === root.device && same.root === root.root)
        return fail({ source: others.source, seen: mountLine(same), expected: 'ro' }, declared);
    }
    return pass(kernel, declared);
  },
});
