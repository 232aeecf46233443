// What a replica of the admission webhook costs: latency and CPU of a request, memory, and how long it takes to load a
// snapshot, beside a bare HTTPS server that answers the same bytes (the floor).
// Usage: npm run bench -- admission [--images 2000] [--verdicts 20000] [--rate 100] [--seconds 20]
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { NODE, ROOT, setUp } from '../scripts/setup.mjs';
import { signDetached } from '../service/detached-signature.ts';
import { issueCertificate } from '../service/tls/issue.ts';
import { evidence, NOW, policy } from '../test/fixture/image-evidence.ts';
import { judged, snapshotText } from '../test/fixture/policy-snapshot.ts';
import { restrictedPod } from '../test/fixture/pods.ts';
import { percentile, printFigures } from './figures.ts';
import type { Figure } from './figures.ts';

const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '2000' },
    verdicts: { type: 'string', default: '20000' },
    rate: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '20' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Measures one replica of \`plimsoll admission\`, beside a bare HTTPS server with the same answer.

  --images N      verdicts in the snapshot while requests are measured (2000)
  --verdicts N    verdicts in the snapshot that a fresh replica loads (20000)
  --rate N        requests a second (100)
  --seconds N     for how long (20)
  --output json   the figures for programs`);
  process.exit();
}
setUp();
const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bench-admission-'));
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});
const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
const paths = { cert: join(directory, 'tls.pem'), key: join(directory, 'tls-key.pem') };
writeFileSync(paths.cert, leaf.certificatePem);
writeFileSync(paths.key, leaf.keyPem, { mode: 0o600 });
const signer = generateKeyPairSync('ed25519');
const keyFile = join(directory, 'key.pub');
writeFileSync(keyFile, signer.publicKey.export({ type: 'spki', format: 'pem' }));

const digestOf = (number: number): string => `sha256:${String(number).padStart(64, '0')}`;
const review = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'prod',
    operation: 'CREATE',
    userInfo: { username: 'bench' },
    object: restrictedPod(`registry.example.com/shop/db@${digestOf(7)}`),
  },
});

try {
  const few = await writeSnapshot('few', Number(values.images));
  const many = await writeSnapshot('many', Number(values.verdicts));
  const fresh = await startReplica(many);
  const loaded = { readyMs: fresh.readyMs, rssMiB: rssMiB(fresh.child) };
  fresh.child.kill('SIGKILL');
  const replica = await startReplica(few);
  const answer = await send(replica, review);
  const floor = await startFloor(answer.body);
  const [own, bare] = [await load(replica), await load(floor)];
  const figures: readonly Figure[] = [
    { name: 'request, p50', unit: 'ms', value: own.p50, floor: { what: 'bare HTTPS server', value: bare.p50 } },
    {
      name: 'request, p99',
      unit: 'ms',
      value: own.p99,
      goal: 20,
      floor: { what: 'bare HTTPS server', value: bare.p99 },
    },
    { name: 'CPU of a request', unit: 'ms', value: own.cpuMs, floor: { what: 'bare HTTPS server', value: bare.cpuMs } },
    {
      name: 'memory after it',
      unit: 'MiB',
      value: own.rssMiB,
      goal: 100,
      floor: { what: 'bare HTTPS server', value: bare.rssMiB },
    },
    { name: `from start to ready, ${values.verdicts} verdicts`, unit: 's', value: loaded.readyMs / 1000, goal: 5 },
    { name: `memory, ${values.verdicts} verdicts`, unit: 'MiB', value: loaded.rssMiB },
  ];
  printFigures(figures, values.output);
} finally {
  for (const child of children) child.kill('SIGKILL');
}

interface Target {
  readonly child: ChildProcess;
  readonly port: number;
  readonly readyMs: number;
  readonly agent: Agent;
}

async function writeSnapshot(name: string, count: number): Promise<string> {
  const path = join(directory, name);
  mkdirSync(path);
  const policies = [policy([])];
  const images = judged(
    policies,
    Array.from({ length: count }, (_, number) => [digestOf(number), evidence()] as const),
  );
  const head = { version: 1, collector: 'bench', issuedAt: NOW, tags: [] };
  const content = Buffer.from(snapshotText({ ...head, policies, images }));
  writeFileSync(join(path, 'snapshot.json'), content);
  writeFileSync(join(path, 'snapshot.sig'), await signDetached(content, signer.privateKey));
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a program and waits until it answers a review. */
async function startTarget(args: readonly string[], port: number): Promise<Target> {
  const startedMs = performance.now();
  const child = spawn(NODE, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  children.add(child);
  const agent = new Agent({ keepAlive: true, ca: authority.certificatePem, maxSockets: 16 });
  const target = { child, port, agent, readyMs: 0 };
  for (;;) {
    const status = await send(target, review).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return { ...target, readyMs: performance.now() - startedMs };
    if (child.exitCode !== null) throw new Error('the program has ended');
    await sleep(50);
  }
}

async function startReplica(snapshot: string): Promise<Target> {
  const port = await freePort();
  const flags = {
    'data-dir': join(directory, `data-${String(port)}`),
    'admission-listen': `127.0.0.1:${String(port)}`,
    'policy-snapshot': snapshot,
    'policy-snapshot-key': keyFile,
    'admission-tls-cert': paths.cert,
    'admission-tls-key': paths.key,
    'log-level': 'warn',
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  return startTarget([join(ROOT, 'bin', 'plimsoll.js'), 'admission', ...args], port);
}

async function startFloor(body: string): Promise<Target> {
  const port = await freePort();
  const script = join(directory, 'floor.mjs');
  writeFileSync(
    script,
    `import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
const body = ${JSON.stringify(body)};
createServer({ cert: readFileSync(${JSON.stringify(paths.cert)}), key: readFileSync(${JSON.stringify(paths.key)}) },
  async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    JSON.parse(Buffer.concat(parts).toString());
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  }).listen(${String(port)}, '127.0.0.1');
`,
  );
  return startTarget([script], port);
}

function send(
  { port, agent }: Pick<Target, 'port' | 'agent'>,
  body: string,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request({ host: '127.0.0.1', port, path: '/validate', method: 'POST', headers, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends requests at a steady rate, whatever the answers take. */
async function load(target: Target) {
  const rate = Number(values.rate);
  const total = rate * Number(values.seconds);
  // The first requests compile the code.
  for (let warm = 0; warm < 200; warm += 1) await send(target, review);
  const beforeMs = cpuMs(target.child);
  const latencies: number[] = [];
  const startMs = performance.now();
  const waiting: Promise<void>[] = [];
  for (let number = 0; number < total; number += 1) {
    const dueMs = startMs + (number * 1000) / rate;
    if (dueMs > performance.now()) await sleep(dueMs - performance.now());
    const sentMs = performance.now();
    waiting.push(send(target, review).then(() => void latencies.push(performance.now() - sentMs)));
  }
  await Promise.all(waiting);
  return {
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpuMs: (cpuMs(target.child) - beforeMs) / total,
    rssMiB: rssMiB(target.child),
  };
}

/** User and system time: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
function cpuMs({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rssMiB({ pid }: ChildProcess): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}
