import { fail } from '../../verdict.ts';
import { anonymousAnswer } from './answer.ts';
import { judgeSetting, kubeletCheck, remedyFor } from './setting.ts';

const REMEDY = 'authorization.mode: Webhook';

export const authorizationMode = kubeletCheck({
  id: 'kubelet.authorization-mode',
  title: 'Kubelet authorizes requests through the API server',
  failTitle: 'Kubelet allows every authenticated request',
  severity: 'critical',
  rationale:
    'With AlwaysAllow every client that the kubelet authenticates can run commands in every container of the node, whatever its rights in the cluster.',
  remediation:
    'Set authorization.mode: Webhook in the configuration of the kubelet, remove --authorization-mode from its flags, and restart it. Without --config the default is AlwaysAllow.',
  judge: (kubelet) => {
    const answer = anonymousAnswer(kubelet);
    if (answer?.kind === 'accepted')
      return fail(`every request is allowed: ${remedyFor(kubelet, REMEDY)}`, {
        ...answer.evidence,
        expected: 'HTTP 401 or 403',
      });
    return judgeSetting(kubelet, {
      setting: 'authorization.mode',
      expected: 'Webhook',
      accepts: (value) => value === 'Webhook',
      problem: 'every authenticated request is allowed',
      remedy: REMEDY,
    });
  },
});
