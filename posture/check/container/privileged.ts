import { fail, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';

export const privileged = containerCheck({
  id: 'container.privileged',
  title: 'No container runs privileged',
  severity: 'critical',
  rationale:
    'A privileged container has every capability, no seccomp filter and all devices of the node: whoever controls it controls the node.',
  remediation:
    'Start the container without --privileged. Give it the single capability (--cap-add) or device (--device) that it needs instead.',
  references: ['https://docs.docker.com/reference/cli/docker/container/run/#privileged'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const evidence = {
      source: 'inspect HostConfig.Privileged',
      seen: String(container.declared.privileged),
      expected: 'false',
    };
    return container.declared.privileged ? fail(evidence) : pass(evidence);
  },
});
