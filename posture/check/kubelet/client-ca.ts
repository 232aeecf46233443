import type { KubeletFact } from '../../fact/kubelet.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { evidenceOf, kubeletCheck, remedyFor, settingOf } from './setting.ts';

const SETTING = 'authentication.x509.clientCAFile';
const EXPECTED = 'a file with the certificate of an authority';

export const clientCa = kubeletCheck({
  id: 'kubelet.client-ca',
  title: 'Kubelet verifies client certificates',
  failTitle: 'Kubelet does not verify client certificates',
  severity: 'high',
  rationale:
    'Without an authority for client certificates the API server cannot prove who it is, and the kubelet has to rely on tokens or accept anonymous requests.',
  remediation:
    'Set authentication.x509.clientCAFile to the file of the cluster CA (kubeadm: /etc/kubernetes/pki/ca.crt) in the configuration of the kubelet, and restart it.',
  judge: (kubelet) => {
    const setting = settingOf(kubelet, SETTING);
    const request = certificateRequest(kubelet);
    const configured = setting.known ? [evidenceOf(SETTING, setting, EXPECTED)] : [];
    const evidence = [...(request === undefined ? [] : [request.evidence]), ...configured];
    const remedy = remedyFor(kubelet, `${SETTING} to the file of the cluster CA`);
    if (request?.isSent === false) return fail(`clients are not asked for a certificate: ${remedy}`, ...evidence);
    if (setting.known && setting.value === '') return fail(`no client CA is set: ${remedy}`, ...evidence);
    // A certificate is asked for only where the kubelet has loaded the file.
    if (request !== undefined) return pass(...evidence);
    if (!setting.known) return unknownBecause(setting.reason);
    const { clientCertificateAuthorities: authorities } = kubelet;
    if (authorities.state === 'unreadable') return unknownBecause(`${authorities.source}: ${authorities.reason}`);
    const count = authorities.state === 'seen' ? authorities.value : 0;
    const found = {
      source: authorities.source,
      seen: `${String(count)} certificates of authorities`,
      expected: EXPECTED,
    };
    if (count === 0)
      return fail(`${setting.value} holds no certificate of an authority: ${remedy}`, found, ...evidence);
    return setting.doubt === '' ? pass(...evidence, found) : unknownBecause(setting.doubt, ...evidence, found);
  },
});

/** Did the API ask its client for a certificate? undefined: it was not reached, or its answer does not say. */
function certificateRequest({
  api,
}: KubeletFact): { readonly isSent: boolean; readonly evidence: Evidence } | undefined {
  if (api.state !== 'seen' || api.value.protocol !== 'tls' || api.value.clientCertificate === 'unknown')
    return undefined;
  const isSent = api.value.clientCertificate !== 'notRequested';
  const evidence = {
    source: api.source,
    seen: `client certificate ${isSent ? 'requested' : 'not requested'}`,
    expected: 'requested',
  };
  return { isSent, evidence };
}
