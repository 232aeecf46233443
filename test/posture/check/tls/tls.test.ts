import t from 'tap';
import { dockerCertificateKey } from '../../../../posture/check/tls/docker-certificate-key.ts';
import { dockerCertificateValidity } from '../../../../posture/check/tls/docker-certificate-validity.ts';
import { dockerClientCert } from '../../../../posture/check/tls/docker-client-cert.ts';
import { dockerProtocolVersion } from '../../../../posture/check/tls/docker-protocol-version.ts';
import { SERVICE_PORT_CHECKS } from '../../../../posture/check/tls/service-checks.ts';
import type { ListenerFact, Probe } from '../../../../posture/fact/listener.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { judgeListenerRows } from '../../../fixture/node-table.ts';
import type { ListenerRow } from '../../../fixture/node-table.ts';

const SOURCE = 'probe of 192.0.2.10:2376';
const DAY_MS = 86_400_000;
const NOW = factsOf().clock.nowMs;

const CERTIFICATE = {
  subject: 'CN=web-3',
  issuer: 'CN=docker CA',
  notBeforeMs: NOW - 100 * DAY_MS,
  notAfterMs: NOW + 100 * DAY_MS,
  keyType: 'ec',
  keyBits: 256,
  selfSigned: false,
};
const PROBE: Probe = {
  protocol: 'tls',
  clientCertificate: 'required',
  answer: 'alert 116',
  versions: ['TLSv1.2', 'TLSv1.3'],
  weakCipherSuites: null,
  certificate: CERTIFICATE,
};

function listener(probe: Partial<Probe>, loopback = false): ListenerFact {
  return withProbe(seen({ ...PROBE, ...probe }, SOURCE), loopback);
}

function withProbe(probe: ListenerFact['probe'], loopback = false): ListenerFact {
  const address = loopback ? '127.0.0.1' : '0.0.0.0';
  return { service: 'docker', id: `tcp:${address}:2376`, address, port: 2376, loopback, pid: 812, probe };
}

function certificate(changes: Partial<typeof CERTIFICATE>): ListenerFact {
  return listener({ certificate: { ...CERTIFICATE, ...changes } });
}

const HTTP: Partial<Probe> = {
  protocol: 'http',
  clientCertificate: 'notRequested',
  answer: 'HTTP 200 from /_ping',
  versions: [],
  certificate: null,
};

const UNJUDGED: readonly ListenerRow[] = [
  {
    name: 'probe without an answer',
    listener: withProbe(unreadable(SOURCE, 'no answer within 2 s')),
    verdict: 'unknown',
    reason: /192\.0\.2\.10:2376: no answer within 2 s/,
  },
  { name: 'not probed', listener: withProbe(absent(SOURCE)), verdict: 'unknown' },
  { name: 'another protocol', listener: listener({ protocol: 'other', answer: 'SSH-2.0' }), verdict: 'unknown' },
];
const CLEAR_TEXT: ListenerRow = {
  name: 'clear text',
  listener: listener(HTTP),
  verdict: 'notApplicable',
  reason: /uses no TLS/,
};

judgeListenerRows(t, dockerClientCert, [
  {
    name: 'required',
    listener: listener({}),
    verdict: 'pass',
    seen: ['a client without a certificate was refused: alert 116'],
  },
  {
    name: 'clear text',
    listener: listener(HTTP),
    verdict: 'fail',
    severity: 'critical',
    seen: ['a client without a certificate was answered: HTTP 200 from /_ping (clear text)'],
  },
  { name: 'clear text on loopback', listener: listener(HTTP, true), verdict: 'fail', severity: 'high' },
  // What tlsverify: false gives: encrypted, and open to everybody.
  {
    name: 'encrypted, but for everybody',
    listener: listener({ clientCertificate: 'notRequested', answer: 'HTTP 200 from /_ping' }),
    verdict: 'fail',
    severity: 'critical',
    seen: ['a client without a certificate was answered: HTTP 200 from /_ping'],
  },
  {
    name: 'asked for, not required',
    listener: listener({ clientCertificate: 'requested', answer: 'HTTP 200 from /_ping' }),
    verdict: 'fail',
    severity: 'critical',
  },
  { name: 'not found out', listener: listener({ clientCertificate: 'unknown', answer: 'reset' }), verdict: 'unknown' },
  ...UNJUDGED,
]);

judgeListenerRows(t, dockerProtocolVersion, [
  { name: '1.2 and 1.3', listener: listener({}), verdict: 'pass', seen: ['TLSv1.2, TLSv1.3'] },
  { name: '1.3 only', listener: listener({ versions: ['TLSv1.3'] }), verdict: 'pass' },
  { name: '1.1 too', listener: listener({ versions: ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] }), verdict: 'fail' },
  { name: '1.0 too', listener: listener({ versions: ['TLSv1', 'TLSv1.2'] }), verdict: 'fail' },
  { name: 'SSL 3', listener: listener({ versions: ['SSLv3'] }), verdict: 'fail' },
  { name: 'none accepted', listener: listener({ versions: [] }), verdict: 'unknown' },
  CLEAR_TEXT,
  ...UNJUDGED,
]);

judgeListenerRows(t, dockerCertificateValidity, [
  { name: 'valid', listener: listener({}), verdict: 'pass' },
  {
    name: 'expired',
    listener: certificate({ notAfterMs: NOW - 1 }),
    verdict: 'fail',
    severity: 'high',
  },
  {
    name: 'not yet valid',
    listener: certificate({ notBeforeMs: NOW + 1 }),
    verdict: 'fail',
    severity: 'high',
  },
  {
    name: '29 days left',
    listener: certificate({ notAfterMs: NOW + 29 * DAY_MS }),
    verdict: 'fail',
    severity: 'medium',
    seen: ['valid from 2026-08-17T11:00:00Z to 2026-12-24T11:00:00Z'],
  },
  { name: '30 days left', listener: certificate({ notAfterMs: NOW + 30 * DAY_MS }), verdict: 'pass' },
  { name: 'no certificate', listener: listener({ certificate: null }), verdict: 'unknown' },
  CLEAR_TEXT,
  ...UNJUDGED,
]);

judgeListenerRows(t, dockerCertificateKey, [
  { name: 'ec 256', listener: listener({}), verdict: 'pass', seen: ['ec 256'] },
  { name: 'ec 224', listener: certificate({ keyBits: 224 }), verdict: 'fail', seen: ['ec 224'] },
  { name: 'ec of unknown size', listener: certificate({ keyBits: 0 }), verdict: 'unknown' },
  { name: 'rsa 2048', listener: certificate({ keyType: 'rsa', keyBits: 2048 }), verdict: 'pass' },
  { name: 'rsa 1024', listener: certificate({ keyType: 'rsa', keyBits: 1024 }), verdict: 'fail' },
  { name: 'rsa 2047', listener: certificate({ keyType: 'rsa', keyBits: 2047 }), verdict: 'fail' },
  { name: 'ed25519', listener: certificate({ keyType: 'ed25519', keyBits: 0 }), verdict: 'pass', seen: ['ed25519'] },
  { name: 'dsa', listener: certificate({ keyType: 'dsa', keyBits: 3072 }), verdict: 'fail' },
  { name: 'something new', listener: certificate({ keyType: 'ml-dsa', keyBits: 0 }), verdict: 'unknown' },
  { name: 'no certificate', listener: listener({ certificate: null }), verdict: 'unknown' },
  CLEAR_TEXT,
  ...UNJUDGED,
]);

const OPEN: Partial<Probe> = { clientCertificate: 'notRequested', answer: 'HTTP 200 from /version' };
const OPTIONAL: Partial<Probe> = { clientCertificate: 'requested', answer: 'HTTP 200 from /version' };
const UNREAD = unreadable(SOURCE, 'no answer within 2 s');

// NODE-TLS-10, 12 and 13 of the catalogue of node controls: required everywhere; streams and metrics may be local.
const SERVICE_ROWS: Readonly<Record<string, readonly ListenerRow[]>> = {
  'tls.containerd-client-cert': [
    { name: 'required', listener: listener({}), verdict: 'pass' },
    { name: 'requested', listener: listener(OPTIONAL), verdict: 'fail' },
    { name: 'not requested', listener: listener(OPEN), verdict: 'fail' },
    { name: 'clear text', listener: listener({ ...HTTP, answer: 'HTTP/2 settings' }), verdict: 'fail' },
    { name: 'on loopback', listener: listener(OPEN, true), verdict: 'fail', severity: 'high' },
    ...UNJUDGED,
  ],
  'tls.etcd-client-cert': [
    { name: 'required', listener: listener({}), verdict: 'pass' },
    { name: 'requested', listener: listener(OPTIONAL), verdict: 'fail' },
    { name: 'not requested', listener: listener(OPEN), verdict: 'fail' },
    { name: 'clear text', listener: listener(HTTP), verdict: 'fail' },
    { name: 'on loopback', listener: listener(OPEN, true), verdict: 'fail', severity: 'high' },
    { name: 'required on loopback', listener: listener({}, true), verdict: 'pass' },
    ...UNJUDGED,
  ],
  'tls.etcd-metrics': [
    { name: 'on loopback', listener: withProbe(absent(SOURCE), true), verdict: 'pass' },
    { name: 'open', listener: listener(HTTP), verdict: 'fail' },
    { name: 'protected', listener: listener({}), verdict: 'pass' },
    { name: 'not known whose it is', listener: withProbe(UNREAD, true), verdict: 'unknown' },
    ...UNJUDGED,
  ],
  'tls.etcd-protocol-version': [
    { name: 'current', listener: listener({ weakCipherSuites: false }), verdict: 'pass' },
    { name: 'old', listener: listener({ versions: ['TLSv1.1', 'TLSv1.2'], weakCipherSuites: false }), verdict: 'fail' },
    { name: 'weak suites', listener: listener({ weakCipherSuites: true }), verdict: 'fail' },
    { name: 'suites not known', listener: listener({ weakCipherSuites: null }), verdict: 'unknown' },
    { name: 'TLS 1.3 alone', listener: listener({ versions: ['TLSv1.3'] }), verdict: 'pass' },
    CLEAR_TEXT,
    ...UNJUDGED,
  ],
  'tls.streaming-client-cert': [
    { name: 'on loopback', listener: withProbe(absent(SOURCE), true), verdict: 'pass' },
    { name: 'required', listener: listener({}), verdict: 'pass' },
    { name: 'requested', listener: listener(OPTIONAL), verdict: 'fail' },
    { name: 'clear text', listener: listener(HTTP), verdict: 'fail' },
    ...UNJUDGED,
  ],
};
t.same(
  SERVICE_PORT_CHECKS.map(({ id }) => id),
  Object.keys(SERVICE_ROWS),
);
for (const check of SERVICE_PORT_CHECKS) judgeListenerRows(t, check, SERVICE_ROWS[check.id] ?? []);
