import { fail, notApplicable, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

export const cgroupParent = containerCheck({
  id: 'container.cgroup-parent',
  title: 'No container is put below another cgroup',
  severity: 'low',
  rationale:
    'The cgroup above a container sets the limits that hold for it. Moved elsewhere it may escape those meant for containers, or use up those of node services.',
  remediation: 'Start the container without --cgroup-parent, or waive the finding where the slice was made for it.',
  references: ['https://docs.docker.com/reference/cli/dockerd/#default-cgroup-parent'],
  judges: 'container',
  needs: [],
  judge: ({ declared, podUid }) => {
    if (podUid !== '') return notApplicable('the kubelet puts containers below the cgroup of their pod');
    const parent = declared.cgroupParent;
    const evidence = {
      source: 'inspect HostConfig.CgroupParent',
      seen: parent === '' ? 'not set' : quote(parent),
      expected: 'not set',
    };
    return parent === '' ? pass(evidence) : fail(evidence);
  },
});
