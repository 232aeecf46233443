import type { Probe } from '../../fact/listener.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { isoTime, quote } from '../evidence-text.ts';
import { evidenceOf, remedyFor, settingOf, withoutKubelet } from './setting.ts';

/** The issuer that the kubelet makes up when it signs its own certificate: `CN=node-1-ca@1700000000`. */
const OWN_ISSUER = /-ca@\d{9,12}$/;

export const servingCertificate = nodeCheck({
  id: 'kubelet.serving-certificate',
  title: 'Kubelet serves a certificate that clients can verify',
  failTitle: 'Kubelet serves a certificate that nobody can verify',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'The API server sends the commands of users and their output through the kubelet. With a certificate of its own making anybody on the network can impersonate the node.',
  remediation:
    'Install a controller that approves only serving requests whose node, names and addresses match (kubelet-csr-approver, or that of the cloud provider), then set serverTLSBootstrap: true in the configuration of the kubelet and restart it. Or set tlsCertFile and tlsPrivateKeyFile to a certificate of the cluster CA. Until a request is approved, kubectl logs, exec and top fail with TLS errors; approving requests unread signs for an attacker.',
  references: ['https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/'],
  judges: 'kubelet',
  needs: ['kubelet', 'clock'],
  judge: ({ kubelet, clock }) => {
    const none = withoutKubelet(kubelet);
    if (none !== undefined) return none;
    const { api } = kubelet;
    const remedy = remedyFor(kubelet, 'serverTLSBootstrap: true');
    const certificate = api.state === 'seen' ? api.value.certificate : null;
    if (api.state === 'seen' && certificate !== null) {
      const evidence = {
        source: api.source,
        seen: quote(`issuer ${certificate.issuer}, valid until ${isoTime(certificate.notAfterMs)}`),
        expected: 'issued by an authority of the cluster, and valid now',
      };
      const problem = problemOf(certificate, clock.nowMs);
      return problem === undefined ? pass(evidence) : fail(`${problem}: ${remedy}`, evidence);
    }
    const [file, bootstrap] = [settingOf(kubelet, 'tlsCertFile'), settingOf(kubelet, 'serverTLSBootstrap')];
    if (!file.known) return unknownBecause(file.reason);
    if (!bootstrap.known) return unknownBecause(bootstrap.reason);
    const evidence = [
      evidenceOf('tlsCertFile', file, 'set, or serverTLSBootstrap: true'),
      evidenceOf('serverTLSBootstrap', bootstrap, 'true, or tlsCertFile is set'),
    ];
    if (file.value === '' && bootstrap.value !== 'true')
      return fail(`the kubelet signs its certificate itself: ${remedy}`, ...evidence);
    const reason = api.state === 'unreadable' ? api.reason : 'no certificate was shown';
    return unknownBecause(`${api.source}: ${reason}: whether the certificate is valid is not known`, ...evidence);
  },
});

function problemOf(
  { issuer, selfSigned, notBeforeMs, notAfterMs }: NonNullable<Probe['certificate']>,
  nowMs: number,
): string | undefined {
  if (selfSigned || OWN_ISSUER.test(issuer)) return 'the kubelet signed its certificate itself';
  if (nowMs > notAfterMs) return `the certificate expired at ${isoTime(notAfterMs)}`;
  return nowMs < notBeforeMs ? `the certificate is not valid before ${isoTime(notBeforeMs)}` : undefined;
}
