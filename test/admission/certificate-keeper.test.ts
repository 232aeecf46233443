import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createCertificateKeeper } from '../../admission/certificate-keeper.ts';
import { createKubernetesApi } from '../../kubernetes/api-client.ts';
import type { KubernetesApi } from '../../kubernetes/api-client.ts';
import { systemClock } from '../../service/clock.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import type { Issued } from '../../service/tls/issue.ts';
import { parseCertificates } from '../../service/tls/pem-file.ts';

type Json = Record<string, unknown>;

const SECRET = '/api/v1/namespaces/plimsoll/secrets/plimsoll-admission-tls';
const VALIDATING = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/plimsoll-admission';
const MUTATING = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/plimsoll-admission';
const DAY = 86_400_000;

/** RFC 7386, section 2. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Json = typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch))
    if (value === null) delete result[name];
    else result[name] = mergePatch(result[name], value);
  return result;
}

interface Cluster {
  readonly objects: Map<string, Json>;
  readonly api: () => KubernetesApi;
  conflicts: number;
}

/** Stores objects and refuses a patch that is based on an earlier version with HTTP 409, as an API server does. */
async function startCluster(t: Test): Promise<Cluster> {
  const ca = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, ca, Date.now());
  const objects = new Map<string, Json>();
  const cluster: Cluster = {
    objects,
    conflicts: 0,
    api: () => {
      const { port } = server.address() as AddressInfo;
      const credentials = () => Promise.resolve({ ca: ca.certificatePem, token: 'x' });
      const api = createKubernetesApi({ address: { host: '127.0.0.1', port }, basePath: '', credentials }, 2_000);
      t.teardown(api.close);
      return api;
    },
  };
  const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      const path = request.url ?? '';
      const [status, body] = answer(path, request.method === 'PATCH' ? (JSON.parse(text) as Json) : undefined);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  const answer = (path: string, patch: Json | undefined): readonly [number, unknown] => {
    const object = objects.get(path);
    if (object === undefined) return [404, { kind: 'Status', message: 'not found' }];
    if (patch === undefined) return [200, object];
    const { resourceVersion } = object['metadata'] as { resourceVersion: string };
    if ((patch['metadata'] as { resourceVersion?: string }).resourceVersion !== resourceVersion) {
      cluster.conflicts += 1;
      return [409, { kind: 'Status', message: 'the object has been modified' }];
    }
    const next = mergePatch(object, patch) as Json;
    objects.set(path, { ...next, metadata: { resourceVersion: String(Number(resourceVersion) + 1) } });
    return [200, next];
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const webhooks = [
    { name: 'pods.plimsoll.dev', failurePolicy: 'Fail', clientConfig: { service: { name: 'plimsoll-admission' } } },
    { name: 'b', clientConfig: {} },
  ];
  objects.set(SECRET, { metadata: { resourceVersion: '1' }, type: 'Opaque' });
  objects.set(VALIDATING, { metadata: { resourceVersion: '7' }, webhooks });
  return cluster;
}

interface Replica {
  readonly leaf: () => Issued | undefined;
}

const NAME = 'plimsoll-admission.plimsoll.svc';

/** One replica of the webhook; `skew` moves its clock, in milliseconds. */
function startReplica(t: Test, cluster: Cluster, clock: { skew: number }): Replica {
  const controller = new AbortController();
  let leaf: Issued | undefined;
  const log = (): void => undefined;
  const running = createCertificateKeeper({
    api: cluster.api(),
    secret: { namespace: 'plimsoll', name: 'plimsoll-admission-tls' },
    configuration: 'plimsoll-admission',
    names: [NAME],
    clock: { ...systemClock(), now: () => Date.now() + clock.skew },
    log: { debug: log, info: log, warn: log, error: log },
    signal: controller.signal,
    checkMs: 30,
  }).run((next) => (leaf = next));
  t.teardown(async () => {
    controller.abort();
    await running;
  });
  return { leaf: () => leaf };
}

/** The authorities that the API server trusts by a configuration. */
function trusted({ objects }: Cluster, path = VALIDATING): readonly X509Certificate[] {
  const { webhooks = [] } = (objects.get(path) ?? {}) as {
    webhooks?: readonly { clientConfig: { caBundle?: string } }[];
  };
  const bundles = new Set(webhooks.map(({ clientConfig }) => clientConfig.caBundle ?? ''));
  t.equal(bundles.size, 1, 'one bundle for all webhooks');
  const pem = Buffer.from([...bundles][0] ?? '', 'base64').toString();
  return pem === '' ? [] : parseCertificates(pem);
}

const isTrusted = (cluster: Cluster, { leaf }: Replica): boolean => {
  const pem = leaf()?.certificatePem;
  return pem !== undefined && trusted(cluster).some(({ publicKey }) => new X509Certificate(pem).verify(publicKey));
};

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never: ${what}`);
}

void t.test('replicas share one authority, and the webhook configurations get it', async (t) => {
  const cluster = await startCluster(t);
  const clock = { skew: 0 };
  const replicas = [1, 2, 3].map(() => startReplica(t, cluster, clock));
  await until('all have certificates', () => replicas.every((replica) => replica.leaf() !== undefined));
  t.equal(trusted(cluster).length, 1);
  t.ok(replicas.every((replica) => isTrusted(cluster, replica)));
  t.equal(new Set(replicas.map(({ leaf }) => leaf()?.keyPem)).size, 3, 'each has a key of its own');
  const certificate = new X509Certificate(replicas[0]?.leaf()?.certificatePem ?? '');
  t.equal(certificate.checkHost(NAME), NAME);
  t.ok(Date.parse(certificate.validTo) - Date.now() < 91 * DAY);
  t.match(
    cluster.objects.get(VALIDATING),
    { webhooks: [{ failurePolicy: 'Fail', clientConfig: { service: {} } }, { name: 'b' }] },
    'nothing else is changed',
  );
  t.notOk(JSON.stringify(cluster.objects.get(SECRET)).includes('PRIVATE'), 'data of a Secret is base64');
  cluster.objects.set(MUTATING, { metadata: { resourceVersion: '1' }, webhooks: [{ clientConfig: {} }] });
  await until('a configuration that is added later', () => trusted(cluster, MUTATING).length === 1);
});

void t.test('the authority is replaced without a moment in which a certificate is not trusted', async (t) => {
  const cluster = await startCluster(t);
  const clock = { skew: 0 };
  const replicas = [1, 2].map(() => startReplica(t, cluster, clock));
  await until('certificates', () => replicas.every((replica) => replica.leaf() !== undefined));
  const first = trusted(cluster)[0]?.fingerprint256;
  clock.skew = 61 * DAY;
  const before = replicas.map(({ leaf }) => leaf()?.certificatePem);
  await until('leaves are renewed', () =>
    replicas.every(({ leaf }, index) => leaf()?.certificatePem !== before[index]),
  );
  t.equal(trusted(cluster)[0]?.fingerprint256, first, 'by the same authority');
  clock.skew = 600 * DAY;
  await until('two are trusted', () => trusted(cluster).length === 2);
  const steps: boolean[] = [];
  const watch = setInterval(() => steps.push(replicas.every((replica) => isTrusted(cluster, replica))), 10);
  t.teardown(() => clearInterval(watch));
  for (let minutes = 0; minutes <= 130; minutes += 10) {
    clock.skew = 600 * DAY + minutes * 60_000;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  await until('only the next one is trusted', () => trusted(cluster).length === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  clearInterval(watch);
  t.not(trusted(cluster)[0]?.fingerprint256, first);
  t.ok(steps.length > 20 && steps.every(Boolean), 'trusted at every moment');
});

void t.test('faults leave the certificate in use', async (t) => {
  const cluster = await startCluster(t);
  const replica = startReplica(t, cluster, { skew: 0 });
  await until('a certificate', () => replica.leaf() !== undefined);
  const leaf = replica.leaf();
  const secret = cluster.objects.get(SECRET) ?? {};
  cluster.objects.delete(SECRET);
  await new Promise((resolve) => setTimeout(resolve, 150));
  t.equal(replica.leaf(), leaf);
  const half = { ...secret, data: { 'ca.crt': (secret['data'] as Json)['ca.crt'] } };
  cluster.objects.set(SECRET, half);
  await new Promise((resolve) => setTimeout(resolve, 150));
  t.equal(replica.leaf(), leaf, 'half an authority is not replaced');
  t.same((cluster.objects.get(SECRET) as { data: unknown }).data, half.data);
});
