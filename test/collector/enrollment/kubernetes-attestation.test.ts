import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { attest, attestAtStart } from '../../../agent/enrollment/attest.ts';
import type { AttestSettings } from '../../../agent/enrollment/attest.ts';
import { requestAttestation, requestRenewal } from '../../../agent/enrollment/enrollment-client.ts';
import { createEnrollment } from '../../../collector/enrollment/enrollment.ts';
import { openJoinTokens } from '../../../collector/enrollment/join-tokens.ts';
import { createAttestation } from '../../../collector/enrollment/kubernetes-attestation.ts';
import { openRevocations } from '../../../collector/enrollment/revocations.ts';
import { startEnrollmentServer } from '../../../collector/enrollment/server.ts';
import type { RefusalNote } from '../../../collector/refusal-recorder.ts';
import { createKubernetesApi } from '../../../kubernetes/api-client.ts';
import { systemClock } from '../../../service/clock.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { createSigningRequest, publicKeyPin } from '../../../service/tls/signing-request.ts';
import { recordingLog } from '../api/server.ts';
import { startApiServer } from '../../kubernetes/api-server.ts';

const NODE_UID = '8b36d0d1-dc08-48e1-9c5b-6e68c9eed821';
const POD_UID = '26cb5d80-439c-4c52-ba1e-db614cfb9fa4';
const CLUSTER_UID = 'aee426a1-f1d5-4a37-8b66-87f961f4c460';
const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsieCJdfQ.c2ln';
const REVIEW = 'POST /apis/authentication.k8s.io/v1/tokenreviews';
const POD = 'GET /api/v1/namespaces/plimsoll/pods/agent-x1';
const NODE = 'GET /api/v1/nodes/worker-1.example';
const SYSTEM = 'GET /api/v1/namespaces/kube-system';

/** The status of a TokenReview as Kubernetes 1.20 sends it, with changes. */
function review(changes: object = {}, user: object = {}, extra: object = {}) {
  return {
    kind: 'TokenReview',
    status: {
      authenticated: true,
      audiences: ['plimsoll-collector'],
      user: {
        username: 'system:serviceaccount:plimsoll:agent',
        uid: '9e0bf891-a25d-408a-b89e-a38317fb56c2',
        groups: ['system:serviceaccounts', 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/pod-name': ['agent-x1'],
          'authentication.kubernetes.io/pod-uid': [POD_UID],
          ...extra,
        },
        ...user,
      },
      ...changes,
    },
  };
}

const pod = (metadata: object = {}, spec: object = {}, status: object = { phase: 'Running' }) => ({
  metadata: { name: 'agent-x1', namespace: 'plimsoll', uid: POD_UID, ...metadata },
  spec: { nodeName: 'worker-1.example', serviceAccountName: 'agent', ...spec },
  status,
});

/** An API server that confirms one pod on one node. */
async function startCluster(t: Test) {
  const server = await startApiServer(t);
  server.responses.set(REVIEW, { body: review() });
  server.responses.set(POD, { body: pod() });
  server.responses.set(NODE, { body: { metadata: { name: 'worker-1.example', uid: NODE_UID } } });
  server.responses.set(SYSTEM, { body: { metadata: { name: 'kube-system', uid: CLUSTER_UID } } });
  const api = createKubernetesApi(server.access, 400);
  t.teardown(api.close);
  const attestToken = createAttestation({
    api,
    audience: 'plimsoll-collector',
    serviceAccounts: ['plimsoll/agent'],
    clusterId: '',
  });
  return { ...server, api, attestToken };
}

/** An enrolment listener of a collector with this cluster, and the settings of an agent. */
async function startFleet(t: Test) {
  const cluster = await startCluster(t);
  const directory = t.testdir();
  const clock = systemClock();
  const ca = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const server = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, ca, Date.now());
  const revocations = await openRevocations(join(directory, 'revoked.json'));
  const { log, logged } = recordingLog();
  const enrollment = createEnrollment({
    issuer: () => Promise.resolve(ca),
    trusted: () => ca.certificatePem,
    tokens: await openJoinTokens(join(directory, 'tokens.json'), clock),
    revocations,
    attestToken: cluster.attestToken,
    isKnown: () => false,
    clock,
    log,
  });
  const refused: RefusalNote[] = [];
  const onRefused = (refusal: RefusalNote): void => void refused.push(refusal);
  const tls = { ca: ca.certificatePem, cert: server.certificatePem, key: server.keyPem, serverCa: ca.certificatePem };
  const listener = await startEnrollmentServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls: () => tls,
    enrollment,
    onRefused,
    clock,
    log,
  });
  t.teardown(() => listener.close());
  const kubernetesTokenFile = join(directory, 'token');
  writeFileSync(kubernetesTokenFile, `${TOKEN}\n`);
  const files = join(directory, 'agent');
  const settings: AttestSettings = {
    join: listener.address,
    joinCaHash: [publicKeyPin(ca.certificatePem)],
    joinCaFile: 'off',
    kubernetesTokenFile,
    tlsCa: join(files, 'ca.pem'),
    tlsCert: join(files, 'agent.pem'),
    tlsKey: join(files, 'agent-key.pem'),
  };
  return { ...cluster, directory, ca, refused, revocations, logged, listener, settings, log, clock };
}

void t.test('the identity is that of the node on which the pod of the token runs', async (t) => {
  const { attestToken, asked } = await startCluster(t);
  t.strictSame(await attestToken(TOKEN), {
    ok: true,
    node: { nodeId: NODE_UID, nodeName: 'worker-1.example', clusterId: CLUSTER_UID, pod: 'plimsoll/agent-x1' },
  });
  t.match(asked[0]?.body, { spec: { token: TOKEN, audiences: ['plimsoll-collector'] } });
  t.match(asked[2]?.accept, /PartialObjectMetadata/, 'nothing more of the node than is needed');
  await attestToken(TOKEN);
  t.equal(asked.length, 7, 'the id of the cluster is asked for once, the token each time');
});

void t.test('what proves no node is refused, and what could not be asked is not a refusal', async (t) => {
  const { attestToken, responses } = await startCluster(t);
  const podName = 'authentication.kubernetes.io/pod-name';
  const podUid = 'authentication.kubernetes.io/pod-uid';
  const account = (username: string) => ({ body: review({}, { username }) });
  const cases: readonly (readonly [string, string, unknown, RegExp])[] = [
    ['not authenticated', REVIEW, { body: review({ authenticated: false, error: 'token has expired' }) }, /expired/],
    ['no word about it', REVIEW, { body: review({ authenticated: undefined }) }, /does not accept/],
    [
      'an error with control characters',
      REVIEW,
      { body: review({ authenticated: false, error: 'a\u001b[2J\nb' }) },
      /a\?\[2J\?b/,
    ],
    ['another audience in the answer', REVIEW, { body: review({ audiences: ['other'] }) }, /not for the audience/],
    ['no audience in the answer', REVIEW, { body: review({ audiences: undefined }) }, /not for the audience/],
    [
      'another service account',
      REVIEW,
      account('system:serviceaccount:plimsoll:default'),
      /not a service account of agents/,
    ],
    ['another namespace', REVIEW, account('system:serviceaccount:default:agent'), /not a service account of agents/],
    ['a user', REVIEW, account('admin'), /not a service account of agents/],
    [
      'a name that only looks like one',
      REVIEW,
      account('system:serviceaccount:plimsoll:agent:x'),
      /not a service account/,
    ],
    ['a token of no pod', REVIEW, { body: review({}, { extra: {} }) }, /not bound to a pod/],
    ['no uid of a pod', REVIEW, { body: review({}, {}, { [podUid]: undefined }) }, /not bound to a pod/],
    ['two pods', REVIEW, { body: review({}, {}, { [podName]: ['agent-x1', 'b'] }) }, /not bound to a pod/],
    ['a path as pod', REVIEW, { body: review({}, {}, { [podName]: ['../../nodes/a'] }) }, /not bound to a pod/],
    ['no such pod', POD, { status: 404, body: {} }, /does not exist/],
    ['another pod of this name', POD, { body: pod({ uid: NODE_UID }) }, /not the one/],
    ['a pod that has ended', POD, { body: pod({}, {}, { phase: 'Succeeded' }) }, /has ended/],
    ['a pod that is being deleted', POD, { body: pod({ deletionTimestamp: '2026-11-26T20:00:00Z' }) }, /being deleted/],
    [
      'a pod of another service account',
      POD,
      { body: pod({}, { serviceAccountName: 'default' }) },
      /another service account/,
    ],
    ['a pod without a node', POD, { body: pod({}, { nodeName: undefined }) }, /not bound to a node/],
    ['a path as node', POD, { body: pod({}, { nodeName: 'a/../../secrets' }) }, /not bound to a node/],
    ['no such node', NODE, { status: 404, body: {} }, /does not exist/],
    ['a node of another name', NODE, { body: { metadata: { name: 'worker-2', uid: NODE_UID } } }, /no valid uid/],
    ['a uid that is none', NODE, { body: { metadata: { name: 'worker-1.example', uid: 'payroll' } } }, /no valid uid/],
  ];
  for (const [name, route, response, reason] of cases) {
    const good = responses.get(route);
    responses.set(route, response as { body: unknown });
    t.match(await attestToken(TOKEN), { ok: false, code: 'unauthorized', reason }, name);
    if (good !== undefined) responses.set(route, good);
  }
  for (const bad of ['', 'a.b', 'a.b.c.d', 'a b.c.d', `${'a'.repeat(8_190)}.b.c`])
    t.match(await attestToken(bad), { ok: false, code: 'unauthorized', reason: /not a service-account token/ });
  for (const route of [REVIEW, POD, NODE, SYSTEM]) {
    const good = responses.get(route);
    for (const failing of [
      { status: 500, body: '' },
      { status: 403, body: {} },
      { body: '<html>' },
      'reset',
    ] as const) {
      responses.set(route, failing);
      t.match(await attestToken(TOKEN), { ok: false, code: 'unavailable' }, `${route} ${JSON.stringify(failing)}`);
    }
    if (good !== undefined) responses.set(route, good);
  }
  responses.set(REVIEW, 'hang');
  t.match(await attestToken(TOKEN), { ok: false, code: 'unavailable', reason: /did not answer/ });
});

void t.test('an agent gets a certificate for its node; a request for another identity is refused', async (t) => {
  const fleet = await startFleet(t);
  const { settings, log, clock, logged } = fleet;
  const { signal } = new AbortController();
  t.match(await attestAtStart({ settings, clock, random: () => 0, log, signal }), {
    nodeId: NODE_UID,
    nodeName: 'worker-1.example',
  });
  const { execFileSync } = await import('node:child_process');
  const text = execFileSync('openssl', ['x509', '-in', settings.tlsCert, '-noout', '-ext', 'subjectAltName'], {
    encoding: 'utf8',
  });
  t.match(text, `URI:spiffe://plimsoll.local/cluster/${CLUSTER_UID}/node/${NODE_UID}, DNS:worker-1.example`);
  const ca = fleet.ca.certificatePem;
  const request = (...extension: readonly string[]) => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', '/dev/null'];
    const args = ['req', '-new', '-nodes', ...key, '-subj', '/CN=payroll', ...extension];
    const csr = execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return requestAttestation(fleet.listener.address, ca, { token: TOKEN, csr });
  };
  const named = await request();
  if (!named.ok) return t.fail(named.reason);
  const certificate = new X509Certificate(named.value.certificatePem);
  t.match(certificate.subjectAltName, new RegExp(`/node/${NODE_UID},`));
  t.notMatch(certificate.subject, 'payroll', 'the subject of the request is not used');
  const claimed = await request('-addext', 'subjectAltName=URI:spiffe://plimsoll.local/host/payroll');
  t.match(claimed, { ok: false, reason: /it asks for the identity "spiffe:\/\/plimsoll\.local\/host\/payroll"/ });
  t.notMatch(JSON.stringify(logged), TOKEN.split('.')[2] ?? 'x', 'the token is not logged');

  writeFileSync(settings.kubernetesTokenFile, 'not a token');
  t.match(await attest(settings), { ok: false, reason: /the log of the collector has the reason/ });
  t.match(logged.at(-1), { level: 'warn', fields: { reason: /not a service-account token/ } });
  t.match(fleet.refused, [
    { operation: 'attest', nodeId: NODE_UID, address: '127.0.0.1', reason: /it asks for the identity/ },
    { operation: 'attest', nodeId: '', address: '127.0.0.1', reason: /not a service-account token/ },
  ]);
  t.match(
    await attestAtStart({ settings, clock, random: () => 0, log, signal }),
    { nodeId: NODE_UID },
    'a certificate that is valid is used until the next attempt',
  );
  return undefined;
});

void t.test('renewal attests again; a certificate alone does not renew', async (t) => {
  const fleet = await startFleet(t);
  const { settings, responses } = fleet;
  t.match(await attest(settings), { ok: true });
  const { readFileSync } = await import('node:fs');
  const own = {
    ca: fleet.ca.certificatePem,
    cert: readFileSync(settings.tlsCert, 'utf8'),
    key: readFileSync(settings.tlsKey, 'utf8'),
  };
  const { csrPem } = await createSigningRequest();
  t.match(await requestRenewal(fleet.listener.address, own, csrPem), { ok: false, reason: /token of its pod/ });
  t.match(fleet.refused, [{ operation: 'renew', nodeId: NODE_UID }]);

  // The machine was registered again: its Node object has another uid.
  const uid = NODE_UID.replace('8', '9');
  responses.set(NODE, { body: { metadata: { name: 'worker-1.example', uid } } });
  t.match(await attest(settings, ({ nodeId }) => nodeId === NODE_UID), { ok: true, value: { nodeId: uid } });
  t.equal(readFileSync(settings.tlsCert, 'utf8'), own.cert, 'the certificate of another node is not stored');
});

void t.test('a revoked node is not attested until it is readmitted', async (t) => {
  const fleet = await startFleet(t);
  const { settings, revocations } = fleet;
  t.match(await attest(settings), { ok: true });
  await revocations.revoke(NODE_UID, Date.now());
  t.match(await attest(settings), { ok: false, reason: /revoked; to let it in again: plimsoll nodes readmit/ });
  t.match(fleet.refused, [{ operation: 'attest', nodeId: NODE_UID, reason: /revoked/ }]);
  t.ok((await openRevocations(join(fleet.directory, 'revoked.json'))).isBarred(NODE_UID), 'also after a restart');
  t.equal(await revocations.readmit('nobody'), false);
  t.equal(await revocations.readmit(NODE_UID), true);
  t.match(await attest(settings), { ok: true });
  t.ok(revocations.isRevoked(NODE_UID, Date.now() - 3_600_000), 'its old certificates stay revoked');
});

void t.test('the CA: by a file that is read again, by the pin, or the one of last time', async (t) => {
  const fleet = await startFleet(t);
  const { settings, ca } = fleet;
  const file = join(fleet.directory, 'bundle.pem');
  const other = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  writeFileSync(file, other.certificatePem);
  const byFile = { ...settings, joinCaFile: file };
  t.match(await attest(byFile), { ok: false }, 'another CA');
  t.equal(fleet.asked.length, 0, 'no token was sent');
  writeFileSync(file, `${other.certificatePem}${ca.certificatePem}`);
  t.match(await attest(byFile), { ok: true }, 'a bundle');
  const rotated = { ...settings, joinCaHash: [`sha256:${'0'.repeat(64)}`] };
  t.match(await attest(rotated), { ok: true }, 'the pin is that of a CA that was rotated out');
  t.match(await attest({ ...rotated, tlsCa: join(fleet.directory, 'none') }), { ok: false, reason: /intercepts/ });
  t.match(await attest({ ...settings, joinCaHash: [] }), { ok: false, reason: /--join-ca-hash or --join-ca-file/ });
});

void t.test('an API server that hangs takes two attestations of one address, no more', async (t) => {
  const fleet = await startFleet(t);
  fleet.responses.set(REVIEW, 'hang');
  const { csrPem: csr } = await createSigningRequest();
  const ask = () => requestAttestation(fleet.listener.address, fleet.ca.certificatePem, { token: TOKEN, csr });
  const results = await Promise.all(Array.from({ length: 6 }, ask));
  const reasons = results.map((result) => (result.ok ? '' : result.reason));
  t.equal(reasons.filter((reason) => reason.includes('too many attestations')).length, 4);
  t.equal(reasons.filter((reason) => reason.includes('could not ask the Kubernetes API server')).length, 2);
  t.equal(fleet.asked.length, 2);
});
