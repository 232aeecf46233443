import type { CertificateFact, CertificatesFact } from '../../fact/certificates.ts';
import { failAs, notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck } from '../check.ts';
import { isoTime, quote } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { parameterized } from '../parameter.ts';

const DAY_MS = 86_400_000;
/** Warned about where less than this share of its life is left: certificates of a day are renewed within it. */
const SOON_SHARE = 0.2;

function ofCertificates(
  { found, unread }: CertificatesFact,
  judge: (certificates: readonly CertificateFact[], source: string, unread: readonly string[]) => Judgement,
): Judgement {
  if (found.state === 'unreadable') return unknownBecause(`${found.source}: ${found.reason}`);
  if (found.state === 'absent')
    return notApplicable('this host has no certificates of Kubernetes, etcd, Docker or containerd');
  return judge(
    found.value,
    found.source,
    unread.map(({ path, reason }) => `${path}: ${reason}`),
  );
}

/** What a worker must not have; a control plane has it. */
function ofWorkers({ controlPlane }: CertificatesFact, judge: () => Judgement): Judgement {
  if (controlPlane.state === 'unreadable') return unknownBecause(`${controlPlane.source}: ${controlPlane.reason}`);
  return controlPlane.state === 'seen' && controlPlane.value
    ? notApplicable(`this host runs an API server (${controlPlane.source})`)
    : judge();
}

/** Files that must not be there. */
function judgeFiles(files: CertificatesFact['authorityKeys'], expected: string, reason: string): Judgement {
  return judgeList({
    failed: files.state === 'seen' ? files.value.map((path) => ({ source: path, seen: 'exists', expected })) : [],
    unread: files.state === 'unreadable' ? [`${files.source}: ${files.reason}`] : [],
    passed: { source: files.source, seen: 'none', expected },
    reason,
  });
}

/** SHA-1 and MD5 as OpenSSL names them; of a self-signed certificate nobody checks the signature. */
function weakness({ keyType, keyBits, signature, selfSigned }: CertificateFact): string | undefined {
  if (keyType.startsWith('rsa') && keyBits < 2048) return `RSA key of ${String(keyBits)} bits`;
  if (keyType === 'dsa') return 'DSA key';
  if (keyType === 'ec' && keyBits > 0 && keyBits < 224) return `EC key of ${String(keyBits)} bits`;
  return !selfSigned && /sha1|md5|md2/i.test(signature.replace('-', '')) ? `signed with ${signature}` : undefined;
}

const WARNING = {
  warningDays: { doc: 'days before its end from which a certificate fails', default: 30, minimum: 1, maximum: 3650 },
};

/** Checks of certificates in files, sorted by id. */
export const FILE_CERTIFICATE_CHECKS: readonly NodeCheck[] = Object.freeze([
  nodeCheck({
    id: 'tls.administrator-credentials',
    title: 'No credentials of cluster administrators on a worker',
    failTitle: 'Credentials of cluster administrators on a worker',
    judgedBy: 'effect',
    severity: 'critical',
    rationale:
      'A certificate of the group system:masters bypasses all authorization of the cluster and cannot be revoked: whoever reads the file owns the cluster until it expires.',
    remediation:
      'Remove the file. Administrators log in with accounts of an identity provider. If others could read it, only a new CA of the cluster revokes it: a planned rotation (documentation of Kubernetes, manual rotation of CA certificates), in which every component and client gets the new CA before the old one goes.',
    references: ['https://kubernetes.io/docs/reference/access-authn-authz/rbac/'],
    judges: 'node',
    needs: ['certificates'],
    judge: ({ certificates }) =>
      ofWorkers(certificates, () => {
        const { found, homeCredentials: homes } = certificates;
        const expected = 'no client certificate of system:masters';
        const ofHomes = homes.state === 'seen' ? homes.value : [];
        const all = found.state === 'seen' ? found.value : [];
        const judgeFound = (source: string, unread: readonly string[]): Judgement =>
          judgeList({
            failed: [
              ...all
                .filter(({ organizations, kubeconfig }) => kubeconfig && organizations.includes('system:masters'))
                .map(({ path, subject }) => ({ source: path, seen: quote(subject), expected })),
              ...ofHomes.map((path) => ({ source: path, seen: 'a client certificate of system:masters', expected })),
            ],
            unread: homes.state === 'unreadable' ? [...unread, `${homes.source}: ${homes.reason}`] : unread,
            passed: { source, seen: 'none', expected },
            reason: 'a kubeconfig on this worker has all rights in the cluster',
          });
        return ofHomes.length > 0
          ? judgeFound(homes.source, [])
          : ofCertificates(certificates, (_, source, unread) => judgeFound(source, unread));
      }),
  }),
  nodeCheck({
    id: 'tls.authority-key',
    title: 'No private key of a cluster CA on a worker',
    failTitle: 'Private key of a cluster CA on a worker',
    judgedBy: 'effect',
    severity: 'critical',
    rationale:
      'Whoever has the key of the CA makes a certificate for any user or node of the cluster. On a worker, that is whoever escapes from a container.',
    remediation:
      'Remove the key from the worker. Then replace the CA of the cluster: k3s certificate rotate-ca, otherwise the manual rotation of the Kubernetes documentation (kubeadm cannot do it). Plan it: every component and every client needs the new CA before the old one goes.',
    references: ['https://kubernetes.io/docs/setup/best-practices/certificates/'],
    judges: 'node',
    needs: ['certificates'],
    judge: ({ certificates }) =>
      ofWorkers(certificates, () =>
        judgeFiles(certificates.authorityKeys, 'no such key', 'this worker can make certificates of the cluster'),
      ),
  }),
  nodeCheck({
    id: 'tls.bootstrap-token',
    title: 'No bootstrap token was left behind',
    failTitle: 'A bootstrap token was left behind',
    judgedBy: 'effect',
    severity: 'medium',
    rationale:
      'With a bootstrap token that has not expired, a machine joins the cluster as a node and gets the secrets of its pods.',
    remediation:
      'Remove bootstrap-kubelet.conf once the kubelet has its certificate, and the token (kubeadm token delete).',
    references: ['https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/'],
    judges: 'node',
    needs: ['certificates'],
    judge: ({ certificates }) =>
      judgeFiles(certificates.bootstrapTokens, 'no bootstrap token', 'a bootstrap token is on this host'),
  }),
  nodeCheck({
    id: 'tls.certificate-strength',
    title: 'Keys and signatures of certificates are strong',
    failTitle: 'Keys or signatures of certificates are weak',
    judgedBy: 'configuration',
    severity: 'medium',
    rationale: 'A short key can be computed, and a certificate with a SHA-1 or MD5 signature can be forged.',
    remediation: 'Issue the named certificates anew with EC P-256 or RSA of 3072 bits, and SHA-256.',
    references: ['https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final'],
    judges: 'node',
    needs: ['certificates'],
    judge: ({ certificates }) =>
      ofCertificates(certificates, (all, source, unread) => {
        const expected = 'RSA of 2048 bits, EC of 224 bits, SHA-2';
        return judgeList({
          failed: all.flatMap((certificate): readonly Evidence[] => {
            const weak = weakness(certificate);
            return weak === undefined
              ? []
              : [{ source: certificate.path, seen: quote(`${certificate.subject}: ${weak}`), expected }];
          }),
          unread,
          passed: { source, seen: `${String(all.length)} certificates`, expected },
          reason: 'a certificate has a weak key or signature',
        });
      }),
  }),
  parameterized(WARNING, ({ warningDays }) =>
    nodeCheck({
      id: 'tls.certificate-validity',
      title: 'Certificates of the host are valid for a while',
      failTitle: 'Certificates of the host are expired or expire soon',
      judgedBy: 'configuration',
      severity: 'high',
      severityLevels: [
        { severity: 'high', when: 'a certificate has expired' },
        { severity: 'medium', when: `it ends within ${String(warningDays)} days and has used 80 % of its life` },
      ],
      rationale:
        'With an expired certificate the kubelet, etcd or a registry stops answering, usually for all nodes at the same time. Skipping verification is the repair that then stays.',
      remediation:
        'Renew the named certificates and restart what uses them. Control plane of kubeadm: kubeadm certs renew all. Worker: the kubelet renews its own while it runs; if it has expired, join the node again. k3s: k3s certificate rotate.',
      references: ['https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/'],
      judges: 'node',
      needs: ['certificates', 'clock'],
      judge: ({ certificates, clock: { nowMs } }) =>
        ofCertificates(certificates, (all, source, unread) => {
          const expected = 'valid, and not in the last days of its life';
          const evidence = ({ path, subject, notAfterMs }: CertificateFact): Evidence => ({
            source: path,
            seen: quote(`${subject}: until ${isoTime(notAfterMs)}`),
            expected,
          });
          const expired = all.filter(
            ({ notAfterMs, notBeforeMs }) => notAfterMs <= nowMs || notBeforeMs > nowMs + DAY_MS,
          );
          const soon = all.filter(
            ({ notAfterMs, notBeforeMs }) =>
              notAfterMs > nowMs &&
              notAfterMs - nowMs < Math.min(warningDays * DAY_MS, (notAfterMs - notBeforeMs) * SOON_SHARE),
          );
          if (expired.length === 0 && soon.length > 0)
            return failAs('medium', 'a certificate expires soon', ...soon.slice(0, 8).map(evidence));
          const passed = { source, seen: `${String(all.length)} certificates, all valid`, expected };
          return judgeList({ failed: expired.map(evidence), unread, passed, reason: 'a certificate is not valid' });
        }),
    }),
  ),
]);
