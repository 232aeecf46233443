import type { ContainerFact } from '../../fact/container.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

export const cgroupParent = containerCheck({
  id: 'container.cgroup-parent',
  title: 'No container is put below another cgroup',
  severity: 'low',
  rationale:
    'The cgroup above a container sets the limits that hold for it. Moved elsewhere it may escape those meant for containers, or use up those of node services.',
  remediation:
    'Start the container without --cgroup-parent, and dockerd without cgroup-parent; or waive the finding where the slice was made for it.',
  references: ['https://docs.docker.com/reference/cli/dockerd/#default-cgroup-parent'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const { declared } = container;
    if (container.podUid !== '') return notApplicable('the kubelet puts containers below the cgroup of their pod');
    const asked = declared.cgroupParent;
    const evidence: Evidence = {
      source: 'inspect HostConfig.CgroupParent',
      seen: asked === '' ? 'not set' : quote(asked),
      expected: 'not set',
    };
    if (asked !== '') return fail(evidence);
    // The default of the daemon does not show in what was asked for, but in where the container is.
    const parent = effectiveParent(container);
    if (parent === undefined) return unknownBecause('the cgroup of the container was not seen', evidence);
    const kernel: Evidence = {
      source: parent.source,
      seen: quote(parent.path),
      expected: 'below the cgroup that the engine uses by default',
    };
    return STANDARD.test(parent.path) ? pass(kernel, evidence) : fail(kernel, evidence);
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
