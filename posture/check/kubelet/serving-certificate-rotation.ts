import { allOf } from '../combine.ts';
import { notApplicable, pass } from '../../verdict.ts';
import { evidenceOf, judgeSetting, kubeletCheck, settingOf } from './setting.ts';

const GATE = 'RotateKubeletServerCertificate';

/** A beta feature: AllBeta=false switches it off where its own gate is not set. */
function isEnabled(gates: string): boolean {
  const set = gates.split(',');
  return set.includes(`${GATE}=true`) || !(set.includes(`${GATE}=false`) || set.includes('AllBeta=false'));
}

export const servingCertificateRotation = kubeletCheck({
  id: 'kubelet.serving-certificate-rotation',
  title: 'Kubelet renews its serving certificate',
  failTitle: 'Kubelet does not renew its serving certificate',
  severity: 'medium',
  rationale:
    'Without renewal through the API server the kubelet serves a certificate of its own making, which clients cannot verify, or one that somebody has to replace by hand.',
  remediation:
    'Install a controller that approves only serving requests whose node, names and addresses match, then set serverTLSBootstrap: true in the configuration of the kubelet, do not disable the feature gate RotateKubeletServerCertificate, and restart it. Until a request is approved, kubectl logs, exec and top fail with TLS errors.',
  judge: (kubelet) => {
    const file = settingOf(kubelet, 'tlsCertFile');
    if (file.known && file.value !== '' && file.doubt === '')
      return kubelet.distribution === 'k3s' || kubelet.distribution === 'rke2'
        ? pass(evidenceOf('tlsCertFile', file, 'a file that is renewed from outside'))
        : notApplicable(
            'the serving certificate is a file that others renew; see kubelet.serving-certificate',
            evidenceOf('tlsCertFile', file, 'a file that is renewed from outside'),
          );
    const gate = judgeSetting(kubelet, {
      setting: 'featureGates',
      expected: `${GATE} not disabled`,
      accepts: isEnabled,
      problem: 'renewal of the serving certificate is disabled',
      remedy: `featureGates.${GATE}: true`,
    });
    const bootstrap = judgeSetting(kubelet, {
      setting: 'serverTLSBootstrap',
      expected: 'true',
      accepts: (value) => value === 'true',
      problem: 'the serving certificate does not come from the cluster',
      remedy: 'serverTLSBootstrap: true',
    });
    return allOf('medium', [gate, bootstrap]);
  },
});
