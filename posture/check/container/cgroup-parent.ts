import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact } from '../../fact/container.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

export const cgroupParent = containerCheck({
  id: 'container.cgroup-parent',
  title: 'Container is in the default cgroup parent',
  failTitle: 'Container has a non-default cgroup parent',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'The parent cgroup sets limits for all its members. Under another parent, a container can escape the limits for containers or use up those of host services.',
  remediation:
    'Start the container without --cgroup-parent, and dockerd without cgroup-parent; or waive the finding if the slice was created for the container.',
  references: ['https://docs.docker.com/reference/cli/dockerd/#default-cgroup-parent'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const { declared } = container;
    if (container.podUid !== '') return notApplicable('the kubelet places containers below the cgroup of their pod');
    const asked = declared.cgroupParent;
    const evidence: Evidence = {
      source: sourceOf(container, 'cgroupParent'),
      seen: asked === '' ? 'not set' : quote(asked),
      expected: 'not set',
    };
    if (asked !== '') return fail(`the container was started with the cgroup parent ${quote(asked)}`, evidence);
    // The inspect answer does not show the default of the daemon; the cgroup of the processes does.
    const parent = effectiveParent(container);
    if (parent === undefined && container.ownKernel.state === 'seen')
      return notApplicable('the process that runs its kernel is in no cgroup of its own', evidence);
    if (parent === undefined) return unknownBecause('the cgroup of the container could not be read', evidence);
    const kernel: Evidence = {
      source: parent.source,
      seen: quote(parent.path),
      expected: 'below the cgroup that the engine uses by default',
    };
    return STANDARD.test(parent.path)
      ? pass(kernel, evidence)
      : fail('the daemon places containers below another cgroup than its default', kernel, evidence);
  },
});

/** Where Docker and Podman put containers: by the cgroupfs driver, and by the systemd driver. */
const STANDARD = /\/(?:docker|system\.slice|user\.slice|app\.slice|machine\.slice|libpod_parent)$/;

/** The cgroup above the container's own, in which its processes were found. */
function effectiveParent({
  id,
  processes,
}: ContainerFact): { readonly source: string; readonly path: string } | undefined {
  if (processes.state !== 'seen') return undefined;
  const at = processes.source.indexOf(id);
  const slash = processes.source.lastIndexOf('/', at);
  return at === -1 || slash < 1 ? undefined : { source: processes.source, path: processes.source.slice(0, slash) };
}
