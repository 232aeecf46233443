import t from 'tap';
import { FILE_CERTIFICATE_CHECKS } from '../../../../posture/check/tls/file-certificate-checks.ts';
import type { CertificateFact, CertificatesFact } from '../../../../posture/fact/certificates.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import type { Severity, Verdict } from '../../../../posture/verdict.ts';
import { certificatesFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 25, 11, 0, 0);
const UNREAD = { unread: [{ path: '/etc/etcd/x.pem', reason: '/etc/etcd is writable by uid 100' }] };

function of(change: Partial<CertificateFact>, fact: Partial<CertificatesFact> = {}): Partial<Facts> {
  const certificate: CertificateFact = {
    path: '/etc/kubernetes/kubelet.conf',
    subject: 'O=system:nodes, CN=system:node:web-3',
    organizations: ['system:nodes'],
    notBeforeMs: NOW - 100 * DAY,
    notAfterMs: NOW + 265 * DAY,
    keyType: 'rsa',
    keyBits: 2048,
    signature: 'sha256WithRSAEncryption',
    selfSigned: false,
    kubeconfig: true,
    ...change,
  };
  return { certificates: certificatesFact({ found: seen([certificate], 'files of certificates'), ...fact }) };
}
const fact = (change: Partial<CertificatesFact>): Partial<Facts> => ({ certificates: certificatesFact(change) });
const life = (beforeDays: number, afterDays: number): Partial<CertificateFact> => ({
  notBeforeMs: NOW - beforeDays * DAY,
  notAfterMs: NOW + afterDays * DAY,
});
const DENIED = unreadable('/etc/kubernetes', 'permission denied (EACCES)');
const CONTROL_PLANE = { controlPlane: seen(true, '/etc/kubernetes/manifests/kube-apiserver.yaml') };
const IN_HOME = seen(['/home/ada/.kube/config'], '/etc/passwd');
const MASTERS = { organizations: ['system:masters'] };
const KEY = { authorityKeys: seen(['/etc/kubernetes/pki/ca.key'], '/etc/kubernetes/pki') };

// What is accepted: catalogue of node controls, NODE-TLS-14 to 16.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict, Severity?])[]>> = {
  'tls.administrator-credentials': [
    ['none', of({}), 'pass'],
    ['an administrator', of(MASTERS), 'fail'],
    ['on a control plane', of(MASTERS, CONTROL_PLANE), 'notApplicable'],
    ['a certificate without a kubeconfig', of({ ...MASTERS, kubeconfig: false }), 'pass'],
    ['a file was not read', of({}, UNREAD), 'unknown'],
    ['another one was not read', of(MASTERS, UNREAD), 'fail'],
    ['not known whether a worker', of(MASTERS, { controlPlane: DENIED }), 'unknown'],
    ['no certificates', fact({}), 'notApplicable'],
    ['in a home directory', of({}, { homeCredentials: IN_HOME }), 'fail'],
    ['there alone', fact({ homeCredentials: IN_HOME }), 'fail'],
    ['home directories were not read', of({}, { homeCredentials: DENIED }), 'unknown'],
    ['in a home directory of a control plane', of({}, { homeCredentials: IN_HOME, ...CONTROL_PLANE }), 'notApplicable'],
  ],
  'tls.authority-key': [
    ['none', fact({}), 'pass'],
    ['on a worker', fact(KEY), 'fail'],
    ['on a control plane', fact({ ...KEY, ...CONTROL_PLANE }), 'notApplicable'],
    ['not read', fact({ authorityKeys: DENIED }), 'unknown'],
  ],
  'tls.bootstrap-token': [
    ['none', fact({}), 'pass'],
    ['one', fact({ bootstrapTokens: seen(['/etc/kubernetes/bootstrap-kubelet.conf'], '/etc/kubernetes') }), 'fail'],
    ['not read', fact({ bootstrapTokens: DENIED }), 'unknown'],
  ],
  'tls.certificate-strength': [
    ['RSA of 2048 bits', of({}), 'pass'],
    ['RSA of 1024 bits', of({ keyBits: 1024 }), 'fail'],
    ['SHA-1', of({ signature: 'sha1WithRSAEncryption' }), 'fail'],
    ['SHA-1 in ECDSA', of({ signature: 'ecdsa-with-SHA1', keyType: 'ec', keyBits: 256 }), 'fail'],
    ['SHA-1 of a root', of({ signature: 'sha1WithRSAEncryption', selfSigned: true }), 'pass'],
    ['not read', fact({ found: DENIED }), 'unknown'],
  ],
  'tls.certificate-validity': [
    ['most of a year left', of({}), 'pass'],
    ['expired', of(life(365, -1)), 'fail', 'high'],
    ['two weeks of a year left', of(life(351, 14)), 'fail', 'medium'],
    ['twenty hours of a day left', of(life(4 / 24, 20 / 24)), 'pass'],
    ['two hours of a day left', of(life(22 / 24, 2 / 24)), 'fail', 'medium'],
    ['not yet valid', of(life(-10, 100)), 'fail', 'high'],
    ['not read', of({}, UNREAD), 'unknown'],
    ['none', fact({}), 'notApplicable'],
  ],
};

t.same(
  FILE_CERTIFICATE_CHECKS.map(({ id }) => id),
  Object.keys(ROWS),
);
for (const check of FILE_CERTIFICATE_CHECKS)
  judgeNodes(
    t,
    check,
    (ROWS[check.id] ?? []).map(([name, facts, verdict, severity]): NodeRow => {
      const row = { name, facts, verdict };
      return severity === undefined ? row : Object.assign(row, { severity });
    }),
  );
