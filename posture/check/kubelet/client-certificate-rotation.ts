import type { Distribution, KubeletFact } from '../../fact/kubelet.ts';
import { notApplicable } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { judgeSetting, kubeletCheck } from './setting.ts';

export const clientCertificateRotation = kubeletCheck({
  id: 'kubelet.client-certificate-rotation',
  title: 'Kubelet renews its client certificate',
  failTitle: 'Kubelet does not renew its client certificate',
  severity: 'medium',
  rationale:
    'A client certificate that is not renewed has to live long, and the node drops out of the cluster on the day it expires. The default is off.',
  remediation: 'Set rotateCertificates: true in the configuration of the kubelet, and restart it.',
  judge: (kubelet) =>
    withoutClientCertificate(kubelet) ??
    judgeSetting(kubelet, {
      setting: 'rotateCertificates',
      expected: 'true',
      accepts: (value) => value === 'true',
      problem: 'the client certificate is not renewed',
      remedy: 'rotateCertificates: true',
    }),
});

/** Who renews, or why there is no certificate to renew, by distribution. */
const RENEWED_BY: Readonly<Partial<Record<Distribution, string>>> = Object.freeze({
  bottlerocket: 'the kubelet authenticates with a token of the cloud provider',
  eks: 'the kubelet authenticates with a token of the cloud provider',
  k3s: 'k3s renews the client certificate itself when it starts',
  rke2: 'RKE2 renews the client certificate itself when it starts',
});

function withoutClientCertificate({ distribution }: KubeletFact): Judgement | undefined {
  const reason = RENEWED_BY[distribution];
  return reason === undefined ? undefined : notApplicable(reason);
}
