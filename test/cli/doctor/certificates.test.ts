import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { certificateAuthority } from '../../../cli/doctor/diagnostics/certificate-authority.ts';
import { agentCertificate, collectorCertificate } from '../../../cli/doctor/diagnostics/certificate-leaf.ts';
import { sinkSyslogFiles } from '../../../cli/doctor/diagnostics/sink-syslog-files.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { ensureAuthority, ensureNodeCertificate, ensureServerCertificate } from '../../../service/tls/authority.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import type { Issued } from '../../../service/tls/issue.ts';
import { directoryOf, installationOf } from './installation.ts';

const DAY_MS = 86_400_000;
const NAMES = ['localhost', '127.0.0.1', '::1'];

/** Keys and certificates of a fleet as a first start makes them, `ageDays` ago. */
async function madeFleet(t: Test, ageDays = 0) {
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
  const examine = async (over: Readonly<Record<string, string>> = {}) => {
    const installation = await installationOf({ 'data-dir': dataDir, ...over });
    const of = async (one: typeof collectorCertificate): Promise<DiagnosticResult> => one.run(installation);
    return {
      authority: await of(certificateAuthority),
      collector: await of(collectorCertificate),
      agent: await of(agentCertificate),
    };
  };
  return { dataDir, tls, authority, put, examine };
}

/** The day on which a certificate ends, as openssl tells it: `2027-11-25`; undefined where there is no openssl. */
function endOf(path: string): string | undefined {
  const { stdout, status } = spawnSync('openssl', ['x509', '-noout', '-enddate', '-in', path], { encoding: 'utf8' });
  return status === 0 ? new Date(stdout.trim().replace('notAfter=', '')).toISOString().slice(0, 10) : undefined;
}

void t.test('as a first start makes them', async (t) => {
  const { tls, examine } = await madeFleet(t);
  const found = await examine();
  const end = endOf(join(tls, 'agent.pem'));
  if (end !== undefined) t.match(found.agent.observed, `valid until ${end},`);
  t.match(found.authority, {
    outcome: 'ok',
    observed: /^valid until \d{4}-\d\d-\d\d, 36(49|50) days more; its key is here$/,
  });
  t.match(found.collector, { outcome: 'ok', observed: /, 36[45] days more$/ });
  t.match(found.agent, { outcome: 'ok', observed: /, 36[45] days more; node node-7$/ });
});

void t.test('before any start there is nothing, and nothing wrong', async (t) => {
  const installation = await installationOf({ 'data-dir': directoryOf(t) });
  for (const one of [certificateAuthority, collectorCertificate, agentCertificate])
    t.match(await one.run(installation), { outcome: 'ok', observed: /^none yet/ });
});

void t.test('expired, nearly so, and not valid yet', async (t) => {
  // A leaf lives for 365 days, an authority for 3,650.
  const expired = await (await madeFleet(t, 400)).examine();
  t.match(expired.authority, { outcome: 'ok' });
  t.match(expired.agent, {
    outcome: 'problem',
    observed: /^expired on \d{4}-\d\d-\d\d, 3[45] days ago$/,
    advice: 'start the agent again: it makes a new one',
  });
  t.match((await (await madeFleet(t, 345)).examine()).collector, {
    outcome: 'warning',
    observed: /, (19|20) days more$/,
  });
  const early = await (await madeFleet(t, -2)).examine();
  t.match(early.authority, {
    outcome: 'problem',
    observed: /^valid from .* clock has not reached/,
    advice: /set the clock/,
  });
  t.match((await (await madeFleet(t, 4_000)).examine()).authority, { outcome: 'problem', observed: /^expired on/ });
});

void t.test('what does not belong together', async (t) => {
  const { tls, put, authority, examine } = await madeFleet(t);
  const other = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  put('agent', await issueCertificate({ kind: 'node', nodeId: 'n' }, other, Date.now()));
  t.match((await examine()).agent, {
    outcome: 'problem',
    observed: /agent\.pem was not signed by the authority in .*ca\.pem$/,
  });
  put('agent', await issueCertificate({ kind: 'server', names: NAMES }, authority, Date.now()));
  t.match((await examine()).agent, { outcome: 'problem', observed: /no certificate of a node/ });
  writeFileSync(join(tls, 'agent-key.pem'), readFileSync(join(tls, 'ca-key.pem')));
  t.match((await examine()).agent, {
    outcome: 'problem',
    observed: /agent-key\.pem is not the key of the certificate in/,
  });
  writeFileSync(join(tls, 'ca-key.pem'), other.keyPem);
  t.match((await examine()).authority, {
    outcome: 'problem',
    observed: /ca-key\.pem is not the key of the authority$/,
  });
  writeFileSync(
    join(tls, 'ca.pem'),
    (await issueCertificate({ kind: 'node', nodeId: 'n' }, other, Date.now())).certificatePem,
  );
  t.match((await examine()).authority, { outcome: 'problem', observed: /is no certificate of an authority/ });
  writeFileSync(join(tls, 'collector.pem'), 'nonsense');
  t.match((await examine()).collector, { outcome: 'problem', observed: /collector\.pem holds no certificate in PEM/ });
  rmSync(join(tls, 'collector.pem'));
  t.match((await examine()).collector, {
    outcome: 'problem',
    observed: /collector\.pem is missing, although its key is there/,
  });
});

void t.test('what others can read or write', async (t) => {
  const { tls, examine } = await madeFleet(t);
  chmodSync(join(tls, 'collector-key.pem'), 0o640);
  t.match((await examine()).collector, {
    outcome: 'problem',
    observed: /^others than its owner can read the private key .*collector-key\.pem$/,
    advice: /^if nobody did: chmod 600 .*collector-key\.pem; otherwise remove it/,
  });
  chmodSync(tls, 0o777);
  t.match((await examine()).authority, {
    outcome: 'problem',
    observed: /tls has mode 0777: others can replace its keys$/,
  });
});

void t.test('a certificate that does not name the address of the collector', async (t) => {
  const { examine } = await madeFleet(t);
  const { collector } = await examine({ listen: '192.0.2.7:7443', 'tls-names': 'fleet.example.net' });
  t.match(collector, {
    outcome: 'warning',
    observed: /does not name 192\.0\.2\.7, fleet\.example\.net: nodes/,
    advice: 'start the collector again: it makes a new one',
  });
});

void t.test('a node that has no authority of its own', async (t) => {
  const dataDir = directoryOf(t);
  mkdirSync(join(dataDir, 'agent'));
  const installation = await installationOf({ 'data-dir': dataDir });
  t.match(await certificateAuthority.run(installation), { outcome: 'problem', advice: /^bring ca\.pem here/ });
  t.match(await agentCertificate.run(installation), { outcome: 'problem', advice: /^bring a certificate/ });
  t.match(await collectorCertificate.run(installation), { outcome: 'ok' });
});

void t.test('the files for a receiver of syslog', async (t) => {
  const { tls } = await madeFleet(t);
  const file = (name: string): string => join(tls, name);
  const look = async (flags: Readonly<Record<string, string>>) =>
    sinkSyslogFiles.run(await installationOf({ 'sink-syslog': 'tls://192.0.2.1', ...flags }));
  t.match(await look({ 'sink-syslog': 'off' }), { outcome: 'ok', observed: 'none needed' });
  t.match(await look({}), { outcome: 'ok', observed: 'authorities of this machine' });
  const pair = { 'sink-syslog-cert': file('agent.pem'), 'sink-syslog-key': file('agent-key.pem') };
  t.match(await look({ ...pair, 'sink-syslog-ca': file('ca.pem') }), {
    outcome: 'ok',
    observed: /ca\.pem; valid until/,
  });
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
  t.match(await look(pair), { outcome: 'problem', observed: /^others than its owner can read the private key/ });
});
