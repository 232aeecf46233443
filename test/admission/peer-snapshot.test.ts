import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { fetchFromPeers, shareSnapshot } from '../../admission/peer-snapshot.ts';
import { openWebhookServer } from '../../admission/webhook-server.ts';
import { readSnapshot, writeSnapshot } from '../../image/policy/snapshot-file.ts';
import { systemClock } from '../../service/clock.ts';
import { signDetached } from '../../service/detached-signature.ts';
import type { LogFields } from '../../service/log.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import { temporaryDirectory } from '../cli/process.ts';
import { NOW, policy } from '../fixture/image-evidence.ts';
import { snapshotText } from '../fixture/policy-snapshot.ts';

const signer = generateKeyPairSync('ed25519');
const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
const leaf = await issueCertificate({ kind: 'server', names: ['localhost'], isClient: true }, authority, Date.now());
const ofApiServer = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
const clock = { ...systemClock(), after: (ms: number, run: () => void) => systemClock().after(ms / 100, run) };

/** A directory of a replica with its token and the key of the collector. */
function replica(t: Test, token: string) {
  const directory = temporaryDirectory(t);
  const settings = {
    policySnapshot: join(directory, 'snapshot'),
    policySnapshotTokenFile: join(directory, 'token'),
    policySnapshotKey: join(directory, 'key.pem'),
  };
  mkdirSync(settings.policySnapshot);
  writeFileSync(settings.policySnapshotTokenFile, `${token}\n`);
  writeFileSync(settings.policySnapshotKey, signer.publicKey.export({ type: 'spki', format: 'pem' }));
  return settings;
}

async function storeSnapshot(directory: string, version: number, key = signer.privateKey): Promise<void> {
  const head = { version, collector: 'test', issuedAt: NOW, tags: [] };
  const content = Buffer.from(snapshotText({ ...head, policies: [policy([])], images: [] }));
  await writeSnapshot(directory, { content, signature: await signDetached(content, key) });
}

interface Case {
  readonly token?: string;
  readonly minVersion?: number;
  /** What the other replica has. */
  readonly store?: (directory: string) => Promise<void>;
  readonly authorities?: string;
  /** Default: true; false: it presents no certificate. */
  readonly isReplica?: boolean;
}

/** Lets a new replica ask one that runs; resolves to what it has then, and what it logged. */
async function fetchOnce(t: Test, { token = 'plo.a.b', minVersion = 0, store, authorities, isReplica = true }: Case) {
  const old = replica(t, 'plo.a.b');
  await (store ?? ((directory) => storeSnapshot(directory, 7)))(old.policySnapshot);
  const server = await openWebhookServer(
    { host: '127.0.0.1', port: 0 },
    {
      cert: leaf.certificatePem,
      key: leaf.keyPem,
      authorities: authority.certificatePem,
      // Of the API server, which no replica has a certificate of.
      clientCa: ofApiServer.certificatePem,
    },
    {
      respond: () => undefined,
      share: shareSnapshot(old),
      onError: (error) => t.fail(String(error)),
      clock: systemClock(),
    },
  );
  t.teardown(server.close);
  const own = replica(t, token);
  const stop = new AbortController();
  const logs: string[] = [];
  const log = ({ reason = '' }: LogFields, message: string): void => {
    logs.push(`${message} ${String(reason)}`);
    stop.abort();
  };
  await fetchFromPeers({
    settings: { ...own, policySnapshotPeers: { host: 'localhost', port: server.address.port } },
    hasSnapshot: () => false,
    authorities: () => authorities ?? authority.certificatePem,
    identity: () => (isReplica ? { cert: leaf.certificatePem, key: leaf.keyPem } : undefined),
    minVersion: () => minVersion,
    clock,
    log: { debug: log, info: log, warn: log, error: log },
    signal: stop.signal,
  });
  const trust = { keys: [signer.publicKey], minVersion: 0 };
  const read = await readSnapshot(own.policySnapshot, trust, { clock, signal: AbortSignal.abort() });
  return { version: read.ok ? read.snapshot.version : undefined, log: logs[0] };
}

void t.test('a replica without a snapshot gets that of another one', async (t) => {
  t.match(await fetchOnce(t, {}), { version: 7, log: 'policy snapshot fetched from another replica' });
});

void t.test('and nobody else, and nothing that the collector has not signed', async (t) => {
  const other = generateKeyPairSync('ed25519').privateKey;
  const stranger = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const cases: Readonly<Record<string, Case & { readonly reason: RegExp }>> = {
    'another token': { token: 'plo.a.c', reason: /HTTP 403/ },
    'another key': { store: (directory) => storeSnapshot(directory, 7, other), reason: /signature/ },
    'an older snapshot': { minVersion: 8, reason: /below 8/ },
    'no snapshot': { store: () => Promise.resolve(), reason: /HTTP 404/ },
    'no certificate': { isReplica: false, reason: /ECONNRESET|EPIPE|CERT|HANDSHAKE|ALERT/i },
    'a server of somebody else': { authorities: stranger.certificatePem, reason: /CERT|SELF_SIGNED|ISSUER|VERIFY/ },
  };
  for (const [name, { reason, ...one }] of Object.entries(cases))
    t.match(await fetchOnce(t, one), { version: undefined, log: reason }, name);
});
