import { sourceOf } from '../../fact/container.ts';
import { fail, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { mountAt, mountLine } from '../mount.ts';

const WRITABLE = 'processes can replace programs of the container';

export const readOnlyRoot = containerCheck({
  id: 'container.read-only-root',
  title: 'Root file system is read-only',
  failTitle: 'Root file system is writable',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'On a writable root file system an intruder can replace programs and leave tools for the next start. On a read-only one, the programs are those of the image.',
  remediation:
    'Start the container with --read-only and give it --tmpfs /tmp or a volume for the few directories that it writes to. In a pod, set readOnlyRootFilesystem to true and mount an emptyDir there.',
  references: ['https://docs.docker.com/reference/cli/docker/container/run/#read-only'],
  judges: 'container',
  ownKernel: 'declared',
  needs: [],
  judge: (container) => {
    const { readOnlyRoot: asked } = container.declared;
    const declared: Evidence = {
      source: sourceOf(container, 'readOnlyRoot'),
      seen: asked ? 'declared read-only' : 'not declared read-only',
      expected: 'read-only',
    };
    const { mounts } = container;
    // No engine mounts the root read-only unless requested, so the declaration is proof enough.
    if (mounts.state !== 'seen') return asked ? notSeen(mounts, declared) : fail(WRITABLE, declared);
    const root = mountAt(mounts.value, '/');
    if (root === undefined)
      return notSeen({ state: 'unreadable', source: mounts.source, reason: 'no line for /' }, declared);
    const kernel = { source: mounts.source, seen: mountLine(root), expected: 'ro' };
    if (!root.readOnly) return fail(WRITABLE, kernel, declared);
    // Another process may have a mount of its own of the same root.
    for (const { mounts: others } of container.mountNamespaces) {
      if (others.state === 'unreadable') return notSeen(others, declared);
      const same = others.state === 'seen' ? mountAt(others.value, '/') : undefined;
      if (same !== undefined && !same.readOnly && same.device === root.device && same.root === root.root)
        return fail(
          'another process of the container sees the root file system writable',
          { source: others.source, seen: mountLine(same), expected: 'ro' },
          declared,
        );
    }
    return pass(kernel, declared);
  },
});
