import { execFileSync } from 'node:child_process';
import { createSign } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createSigningRequest } from '../../service/tls/signing-request.ts';
import { hello } from '../collector/session/messages.ts';
import { dial } from '../collector/session/node.ts';
import type { TestNode } from '../collector/session/node.ts';
import { waitFor } from './cluster.ts';
import { COLLECTOR_POD, NODE_DATA, WORKLOAD } from './deployment.ts';
import type { Deployment } from './deployment.ts';

/** OCSF API Activity: a refused request of a node. */
const API_ACTIVITY = 6003;
const SERVER_NAME = 'plimsoll-collector.plimsoll.svc';

/** Tokens of pods that are no agents, of other audiences, without a pod, expired, and signed by others. */
export async function refusesTokens(t: Test, plimsoll: Deployment): Promise<void> {
  const { kubectl, state } = plimsoll.cluster;
  const agent = await plimsoll.agentPod();
  const uid = await kubectl('-n', 'plimsoll-agents', 'get', 'pod', agent, '-o', 'jsonpath={.metadata.uid}');
  const bound = { kind: 'Pod', apiVersion: 'v1', name: agent, uid };
  const issue = async (namespace: string, account: string, spec: object): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const file = join(t.testdir(), 'request.json');
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    writeFileSync(file, JSON.stringify(body));
    const reply = JSON.parse(await kubectl('create', '--raw', path, '-f', file)) as { status: { token: string } };
    return reply.status.token;
  };
  await plimsoll.startPod('stranger');
  const strangerUid = await kubectl('-n', WORKLOAD, 'get', 'pod', 'stranger', '-o', 'jsonpath={.metadata.uid}');
  const audiences = ['plimsoll-collector'];
  const ours = await issue('plimsoll-agents', 'plimsoll-agent', { audiences, boundObjectRef: bound });
  const stranger = { kind: 'Pod', apiVersion: 'v1', name: 'stranger', uid: strangerUid };
  const cases = {
    'another service account': [
      await issue(WORKLOAD, 'default', { audiences, boundObjectRef: stranger }),
      /is not a service account of agents/,
    ],
    'another audience': [
      await issue('plimsoll-agents', 'plimsoll-agent', { audiences: ['vault'], boundObjectRef: bound }),
      /does not accept the token|not for the audience/,
    ],
    'no pod': [await issue('plimsoll-agents', 'plimsoll-agent', { audiences }), /not bound to a pod/],
    expired: [resign(ours, { exp: 1_600_000_000 }, join(state, 'pki/sa.key')), /does not accept the token/],
    'a signature of another': [`${ours.slice(0, -20)}AAAAAAAAAAAAAAAAAAAA`, /does not accept the token/],
  } as const;
  const address = await collectorAddress(plimsoll);
  const attest = async (token: string): Promise<number> =>
    (await post(address, '/v1/attest', { token, csr: (await createSigningRequest()).csrPem })).status;
  for (const [name, [token, reason]] of Object.entries(cases)) {
    t.equal(await attest(token), 401, name);
    await isReported(t, plimsoll, name, reason);
  }
  t.equal(await attest(ours), 200, 'the token of the agent itself is accepted');
}

/** The token with other claims and a valid signature, as only the API server could issue it. */
function resign(token: string, claims: object, keyFile: string): string {
  const [header = '', payload = ''] = token.split('.');
  const decoded = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  const changed = Buffer.from(JSON.stringify({ ...decoded, ...claims })).toString('base64url');
  const signature = createSign('RSA-SHA256').update(`${header}.${changed}`).sign(readFileSync(keyFile), 'base64url');
  return `${header}.${changed}.${signature}`;
}

/** Join tokens and certificates in the wrong hands. */
export async function refusesIdentities(t: Test, plimsoll: Deployment): Promise<void> {
  const address = await collectorAddress(plimsoll);
  const createToken = async (): Promise<string> =>
    (await plimsoll.ask<{ token: string }>('join-token', 'create', '--host', 'x')).token;
  const { csrPem: csr, keyPem } = await createSigningRequest();
  const joinToken = await createToken();
  const joined = await post(address, '/v1/enroll', { joinToken, nodeId: 'host-a', csr });
  t.equal(joined.status, 200, 'a host joins');
  const refuses = async (name: string, sent: Promise<{ readonly status: number }>, status: number, reason: RegExp) => {
    t.equal((await sent).status, status, name);
    await isReported(t, plimsoll, name, reason);
  };
  await refuses(
    'a join token that was used',
    post(address, '/v1/enroll', { joinToken, nodeId: 'host-b', csr }),
    401,
    /the join token was used before/,
  );
  const claim = signingRequestOf(t, 'URI:spiffe://plimsoll.local/host/host-a');
  await refuses(
    'a signing request for another identity',
    post(address, '/v1/enroll', { joinToken: await createToken(), nodeId: 'host-c', csr: claim }),
    400,
    /asks for the identity .*host\/host-a/,
  );

  const ca = readFileSync(join(plimsoll.collectorDirectory, 'tls/ca.pem'), 'utf8');
  const open = (certificatePem: string, key: string): TestNode => {
    const node = dial({
      address: `${address}:7443`,
      ca,
      identity: { certificatePem, keyPem: key },
      serverName: SERVER_NAME,
    });
    t.teardown(node.close);
    node.say(hello({ epoch: 'another', instance: 'another' }));
    return node;
  };
  const { certificate } = JSON.parse(joined.body) as { certificate: string };
  const host = open(certificate, keyPem);
  t.ok(await host.hearA('welcome'), 'the certificate of the host is good');
  await plimsoll.plimsoll('nodes', 'revoke', 'host-a');
  t.match(await host.ended, { name: 'UNAUTHENTICATED', details: /revoked/ }, 'its open session ends');
  t.match(await open(certificate, keyPem).ended, { name: 'UNAUTHENTICATED', details: /revoked/ });
  await isReported(t, plimsoll, 'a revoked certificate', /the certificate of this node was revoked/);

  const stolen = (name: string): string => readFileSync(join(NODE_DATA, 'tls', name), 'utf8');
  const thief = open(stolen('agent.pem'), stolen('agent-key.pem'));
  t.match(await thief.ended, { name: 'ALREADY_EXISTS', details: /another agent uses the identity/ });
  await isReported(t, plimsoll, 'the certificate of another node', /another agent uses the identity of this node/);
  t.match(await plimsoll.plimsoll('nodes'), /^test-node +duplicate identity /m);
  t.match(await plimsoll.plimsoll('status'), /two agents use the identity of this node/);
  await plimsoll.plimsoll('nodes', 'remove', 'host-a', '--yes');
}

/** A reason in the log of the collector, and an event that its sinks have. */
async function isReported(t: Test, plimsoll: Deployment, name: string, reason: RegExp): Promise<void> {
  const log = await plimsoll.cluster.kubectl('-n', 'plimsoll', 'logs', COLLECTOR_POD, '--tail=500');
  t.match(
    log.split('\n').findLast((line) => /a certificate was refused|a session was refused|session over/.test(line)),
    reason,
    `${name}: the log has the reason`,
  );
  await waitFor(`an event of ${name}`, 20_000, () => eventsOf(plimsoll).some((line) => reason.test(line)) || undefined);
  t.pass(`${name}: an event has the reason`);
}

/** The lines of events about refused requests. */
function eventsOf({ collectorDirectory }: Deployment): readonly string[] {
  return readdirSync(collectorDirectory)
    .filter((name) => name.startsWith('events.ndjson'))
    .flatMap((name) => readFileSync(join(collectorDirectory, name), 'utf8').split('\n'))
    .filter((line) => line.includes(`"class_uid":${String(API_ACTIVITY)}`));
}

/** A signing request that names somebody, made by OpenSSL. */
function signingRequestOf(t: Test, name: string): string {
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    join(t.testdir(), 'key.pem'),
  ];
  const args = ['req', '-new', ...key, '-subj', '/CN=x', '-addext', `subjectAltName=${name}`];
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

async function collectorAddress({ cluster }: Deployment): Promise<string> {
  return cluster.kubectl('-n', 'plimsoll', 'get', 'pod', COLLECTOR_POD, '-o', 'jsonpath={.status.podIP}');
}

/** Posts to the enrolment listener. */
async function post(
  host: string,
  path: string,
  body: object,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const options = { host, port: 7444, path, method: 'POST', timeout: 15_000, agent: false } as const;
    const headers = { 'content-type': 'application/json' };
    // Who answers is not the question here.
    const sent = request({ ...options, headers, rejectUnauthorized: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}
