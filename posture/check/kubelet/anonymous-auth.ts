import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import { anonymousAnswer } from './answer.ts';
import { evidenceOf, kubeletCheck, remedyFor, settingOf } from './setting.ts';

const SETTING = 'authentication.anonymous.enabled';
const REMEDY = `${SETTING}: false`;

export const anonymousAuth = kubeletCheck({
  id: 'kubelet.anonymous-auth',
  title: 'Kubelet rejects anonymous requests',
  failTitle: 'Kubelet accepts anonymous requests',
  severity: 'critical',
  severityLevels: [
    { severity: 'critical', when: 'anonymous requests are accepted' },
    { severity: 'high', when: 'anonymous requests are accepted, and only authorization refuses them' },
  ],
  rationale:
    'Whoever reaches the port of the kubelet can ask it as system:anonymous. Where authorization lets that user in, it runs commands in every container of the node.',
  remediation:
    'Set authentication.anonymous.enabled: false in the configuration of the kubelet, remove --anonymous-auth from its flags, and restart it. Without --config the default is true.',
  judge: (kubelet) => {
    const setting = settingOf(kubelet, SETTING);
    const answer = anonymousAnswer(kubelet);
    const configured = setting.known ? [evidenceOf(SETTING, setting, 'false')] : [];
    const evidence = [...(answer === undefined ? [] : [answer.evidence]), ...configured];
    const remedy = remedyFor(kubelet, REMEDY);
    if (answer?.kind === 'accepted') return fail(`a request without credentials is let in: ${remedy}`, ...evidence);
    if (answer?.kind === 'unauthorized')
      return failAs('high', `only authorization refuses requests without credentials: ${remedy}`, ...evidence);
    if (setting.known && setting.value !== 'false')
      return fail(`anonymous requests are enabled: ${remedy}`, ...evidence);
    if (answer !== undefined) return pass(...evidence);
    if (!setting.known) return unknownBecause(setting.reason);
    return setting.doubt === '' ? pass(...evidence) : unknownBecause(setting.doubt, ...evidence);
  },
});
