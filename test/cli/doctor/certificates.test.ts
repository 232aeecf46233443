import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { certificates } from '../../../cli/doctor/diagnostics/certificates.ts';
import { sinks } from '../../../cli/doctor/diagnostics/sinks.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { ensureAuthority, ensureNodeCertificate, ensureServerCertificate } from '../../../service/tls/authority.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import type { Issued } from '../../../service/tls/issue.ts';
import { directoryOf, installationOf } from './installation.ts';

const DAY_MS = 86_400_000;
const NAMES = ['localhost', '127.0.0.1', '::1'];

/** Keys and certificates of a fleet as a first start created them `ageDays` ago. */
async function createFleet(t: Test, ageDays = 0) {
  const dataDir = directoryOf(t);
  const tls = join(dataDir, 'tls');
  const atMs = Date.now() - ageDays * DAY_MS;
  const authority = await ensureAuthority(tls, atMs);
  const { hostname } = await import('node:os');
  await ensureServerCertificate(authority, [...NAMES, hostname()], atMs);
  await ensureNodeCertificate(authority, 'node-7', atMs);
  const put = (name: string, { certificatePem, keyPem }: Issued): void => {
    writeFileSync(join(tls, `${name}.pem`), certificatePem);
    writeFileSync(join(tls, `${name}-key.pem`), keyPem, { mode: 0o600 });
  };
  const examine = async (over: Readonly<Record<string, string>> = {}): Promise<DiagnosticResult> =>
    certificates.run(await installationOf({ 'data-dir': dataDir, ...over }));
  return { dataDir, tls, authority, put, examine };
}

/** The day on which a certificate ends, as openssl reports it: `2027-11-25`; undefined where there is no openssl. */
function endOf(path: string): string | undefined {
  const { stdout, status } = spawnSync('openssl', ['x509', '-noout', '-enddate', '-in', path], { encoding: 'utf8' });
  return status === 0 ? new Date(stdout.trim().replace('notAfter=', '')).toISOString().slice(0, 10) : undefined;
}

void t.test('as a first start creates them', async (t) => {
  const { tls, examine } = await createFleet(t);
  const { outcome, observed } = await examine();
  t.equal(outcome, 'ok');
  const [authority, key, collector, agent, node, ...rest] = observed.split('; ');
  t.match(authority, /^authority: valid until \d{4}-\d\d-\d\d, 36(49|50) days left$/);
  t.equal(key, 'its key is on this machine');
  t.match(collector, /^collector: valid until .*, 36[45] days left$/);
  t.match(agent, /^agent: valid until .*, 36[45] days left$/);
  t.equal(node, 'node node-7');
  t.strictSame(rest, []);
  const end = endOf(join(tls, 'agent.pem'));
  if (end !== undefined) t.match(agent, `valid until ${end},`);
});

void t.test('before the first start nothing exists, and that is no problem', async (t) => {
  const installation = await installationOf({ 'data-dir': directoryOf(t) });
  t.match(await certificates.run(installation), {
    outcome: 'ok',
    observed: /^authority: none yet.*; collector: none yet.*; agent: none yet/,
  });
});

void t.test('expired, nearly expired, and not valid yet', async (t) => {
  // A leaf is valid for 365 days, an authority for 3,650.
  t.match(await (await createFleet(t, 400)).examine(), {
    outcome: 'problem',
    observed: /^collector: expired on \d{4}-\d\d-\d\d, 3[45] days ago; agent: expired on .* 3[45] days ago$/,
    advice: 'restart the collector: it creates a new one; restart the agent: it creates a new one',
  });
  t.match(await (await createFleet(t, 345)).examine(), {
    outcome: 'warning',
    observed: /^collector: .*, (19|20) days left; agent: /,
  });
  t.match(await (await createFleet(t, -2)).examine(), {
    outcome: 'problem',
    observed: /^authority: not valid before \S+; the clock of this machine says \S+; collector: not valid before/,
    advice: /^set the clock/,
  });
  t.match(await (await createFleet(t, 4_000)).examine(), { outcome: 'problem', observed: /^authority: expired on/ });
});

void t.test('certificates and keys that do not match', async (t) => {
  const { tls, put, authority, examine } = await createFleet(t);
  const isProblem = async (observed: RegExp): Promise<void> =>
    void t.match(await examine(), { outcome: 'problem', observed });
  const other = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  put('agent', await issueCertificate({ kind: 'node', nodeId: 'n' }, other, Date.now()));
  await isProblem(/^agent: \S+agent\.pem was not signed by the authority in \S+ca\.pem$/);
  put('agent', await issueCertificate({ kind: 'server', names: NAMES }, authority, Date.now()));
  await isProblem(/^agent: it is not the certificate of a node/);
  writeFileSync(join(tls, 'agent-key.pem'), readFileSync(join(tls, 'ca-key.pem')));
  await isProblem(/agent-key\.pem is not the key of the certificate in/);
  writeFileSync(join(tls, 'ca-key.pem'), other.keyPem);
  await isProblem(/^authority: \S+ca-key\.pem is not the key of the authority; agent: /);
  writeFileSync(
    join(tls, 'ca.pem'),
    (await issueCertificate({ kind: 'node', nodeId: 'n' }, other, Date.now())).certificatePem,
  );
  await isProblem(/^authority: \S+ is not a CA certificate/);
  writeFileSync(join(tls, 'collector.pem'), 'nonsense');
  await isProblem(/collector: \S+collector\.pem holds no certificate in PEM/);
  rmSync(join(tls, 'collector.pem'));
  await isProblem(/collector: \S+collector\.pem is missing, but its key exists/);
});

void t.test('files that other users can read or write', async (t) => {
  const { tls, examine } = await createFleet(t);
  chmodSync(join(tls, 'collector-key.pem'), 0o640);
  t.match(await examine(), {
    outcome: 'problem',
    observed: /^collector: other users can read the private key \S+collector-key\.pem$/,
    advice: /^if no one did: chmod 600 .*collector-key\.pem; otherwise remove it/,
  });
  chmodSync(tls, 0o777);
  t.match(await examine(), {
    outcome: 'problem',
    observed: /^authority: \S+tls has mode 0777: other users can replace its keys; collector: /,
  });
});

void t.test('a certificate that does not contain the address of the collector', async (t) => {
  const { examine } = await createFleet(t);
  t.match(await examine({ listen: '192.0.2.7:7443', 'tls-names': 'fleet.example.net' }), {
    outcome: 'warning',
    observed: /^collector: does not contain 192\.0\.2\.7, fleet\.example\.net: nodes/,
    advice: 'restart the collector: it creates a new one',
  });
});

void t.test('a node without an authority', async (t) => {
  const dataDir = directoryOf(t);
  mkdirSync(join(dataDir, 'agent'));
  t.match(await certificates.run(await installationOf({ 'data-dir': dataDir })), {
    outcome: 'problem',
    observed: /^authority: \S+ is missing; agent: \S+ is missing$/,
    advice: /^copy tls\/ca\.pem from .*; copy a certificate and its key here/,
  });
});

void t.test('the files for a syslog receiver', async (t) => {
  const { tls } = await createFleet(t);
  const file = (name: string): string => join(tls, name);
  const receiver = createServer((socket) => void socket.destroy());
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.teardown(() => receiver.close());
  const url = `tls://127.0.0.1:${String((receiver.address() as AddressInfo).port)}`;
  const look = async (flags: Readonly<Record<string, string>>) =>
    sinks.run(await installationOf({ 'sink-syslog': url, 'sink-ndjson': '-', ...flags }));
  t.match(await look({}), {
    outcome: 'ok',
    observed: `ndjson: standard output of the collector; ${url} accepts connections`,
  });
  const pair = { 'sink-syslog-cert': file('agent.pem'), 'sink-syslog-key': file('agent-key.pem') };
  t.match(await look({ ...pair, 'sink-syslog-ca': file('ca.pem') }), { outcome: 'ok', observed: /; valid until/ });
  t.match(await look({ ...pair, 'sink-syslog-ca': file('none.pem') }), {
    outcome: 'problem',
    observed: /none\.pem is missing$/,
  });
  t.match(await look({ 'sink-syslog-cert': file('agent.pem') }), { outcome: 'problem', observed: /^only one of/ });
  t.match(await look({ ...pair, 'sink-syslog-key': file('collector-key.pem') }), {
    outcome: 'problem',
    observed: /collector-key\.pem is not the key of the certificate in .*agent\.pem$/,
  });
  chmodSync(file('agent-key.pem'), 0o644);
  t.match(await look(pair), { outcome: 'problem', observed: /^other users can read the private key/ });
});
