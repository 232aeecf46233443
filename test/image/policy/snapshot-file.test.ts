import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSnapshot, readSnapshot, writeSnapshot } from '../../../image/policy/snapshot-file.ts';
import { systemClock } from '../../../service/clock.ts';
import { parsePublicKeys, signDetached, verifyDetached } from '../../../service/detached-signature.ts';
import { evidence, NOW, policy } from '../../fixture/image-evidence.ts';
import { judged, snapshotText } from '../../fixture/policy-snapshot.ts';

const collector = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519');
const keys = [collector.publicKey];
const policies = [policy([{ type: 'vulnerability', severity: 'high' }])];
const DIGEST = `sha256:${'a'.repeat(64)}`;

async function signed(version: number, key = collector.privateKey) {
  const head = { version, collector: 'test', issuedAt: NOW, tags: [] };
  const content = Buffer.from(snapshotText({ ...head, policies, images: judged(policies, [[DIGEST, evidence()]]) }));
  return { content, signature: await signDetached(content, key) };
}

const options = { clock: systemClock(), signal: new AbortController().signal };

void t.test('written and read', async (t) => {
  const directory = t.testdir();
  await writeSnapshot(directory, await signed(5));
  const read = await readSnapshot(directory, { keys, minVersion: 5 }, options);
  t.match(read, { ok: true, snapshot: { version: 5 } });
  t.ok(read.ok && read.snapshot.byDigest.has(DIGEST));
  t.match(await readSnapshot(directory, { keys, minVersion: 6 }, options), { ok: false, code: 'older' });
  const both = { keys: [stranger.publicKey, collector.publicKey], minVersion: 0 };
  t.match(await readSnapshot(directory, both, options), { ok: true }, 'while a key is replaced by the next');
});

void t.test('nothing but what the collector signed is believed', async (t) => {
  const good = await signed(1);
  const trust = { keys, minVersion: 0 };
  const changed = Buffer.from(good.content.toString().replace('"not-scanned"', '').replace('test', 'Test'));
  const cases: readonly (readonly [string, { content: Uint8Array; signature: string }, string])[] = [
    ['changed', { ...good, content: changed }, 'notSigned'],
    ['signed by another', await signed(1, stranger.privateKey), 'notSigned'],
    ['signature of another snapshot', { ...good, signature: (await signed(2)).signature }, 'notSigned'],
    ['no signature', { ...good, signature: '' }, 'notSigned'],
    ['signature that is no base64', { ...good, signature: '§'.repeat(88) }, 'notSigned'],
    ['long signature', { ...good, signature: 'A'.repeat(1_000_000) }, 'notSigned'],
    ['no JSON', await signContent('{'), 'malformed'],
    ['not UTF-8', await signContent(Buffer.from([0x7b, 0xff, 0x7d])), 'malformed'],
    ['another document', await signContent('{"kind":"ImagePolicy"}'), 'malformed'],
  ];
  t.match(await openSnapshot(good, trust), { ok: true });
  for (const [name, snapshot, code] of cases) t.match(await openSnapshot(snapshot, trust), { ok: false, code }, name);
  t.match(await openSnapshot(good, { keys: [], minVersion: 0 }), { ok: false, code: 'notSigned' });
});

async function signContent(text: string | Buffer) {
  const content = Buffer.from(text);
  return { content, signature: await signDetached(content, collector.privateKey) };
}

void t.test('files that are replaced, missing or no files', async (t) => {
  const directory = t.testdir();
  const trust = { keys, minVersion: 0 };
  t.match(await readSnapshot(directory, trust, options), { ok: false, code: 'missing' });
  const newer = await signed(2);
  await writeSnapshot(directory, await signed(1));
  writeFileSync(join(directory, 'snapshot.json'), newer.content);
  const reading = readSnapshot(directory, trust, options);
  setTimeout(() => writeFileSync(join(directory, 'snapshot.sig'), newer.signature), 150);
  t.match(await reading, { ok: true, snapshot: { version: 2 } }, 'waits for the signature');
  unlinkSync(join(directory, 'snapshot.json'));
  execFileSync('mkfifo', [join(directory, 'snapshot.json')]);
  t.match(await readSnapshot(directory, trust, options), { ok: false, code: 'missing' }, 'a pipe is not waited for');
  unlinkSync(join(directory, 'snapshot.json'));
  mkdirSync(join(directory, 'snapshot.json'));
  t.match(await readSnapshot(directory, trust, options), { ok: false, code: 'missing' });
});

void t.test('links are followed, as a mounted ConfigMap consists of them', async (t) => {
  const [real, mounted] = [t.testdir({ a: '' }), join(t.testdirName, 'mounted')];
  await writeSnapshot(real, await signed(1));
  mkdirSync(mounted);
  for (const name of ['snapshot.json', 'snapshot.sig']) symlinkSync(join(real, name), join(mounted, name));
  t.match(await readSnapshot(mounted, { keys, minVersion: 0 }, options), { ok: true });
});

void t.test('signatures are those of openssl', async (t) => {
  for (const [type, made] of [
    ['Ed25519', collector],
    ['P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ] as const) {
    const directory = t.testdir({ content: 'some text' });
    const file = (name: string): string => join(directory, name);
    writeFileSync(file('key.pub'), made.publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(file('key.pem'), made.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const content = readFileSync(file('content'));
    writeFileSync(file('sig'), Buffer.from(await signDetached(content, made.privateKey), 'base64'));
    const raw = type === 'Ed25519' ? ['-rawin'] : ['-rawin', '-digest', 'sha256'];
    const args = ['-in', file('content'), '-sigfile', file('sig'), '-pubin', '-inkey', file('key.pub')];
    t.match(execFileSync('openssl', ['pkeyutl', '-verify', ...raw, ...args]).toString(), 'Success', type);
    copyFileSync(file('sig'), file('other'));
    execFileSync('openssl', [
      'pkeyutl',
      '-sign',
      ...raw,
      '-in',
      file('content'),
      '-inkey',
      file('key.pem'),
      '-out',
      file('other'),
    ]);
    const parsed = parsePublicKeys(readFileSync(file('key.pub'), 'utf8'));
    const theirs = readFileSync(file('other')).toString('base64');
    t.equal(parsed.ok && (await verifyDetached(content, theirs, parsed.keys)), true, type);
    t.equal(parsed.ok && (await verifyDetached(Buffer.from('other'), theirs, parsed.keys)), false, type);
  }
});

void t.test('public keys', (t) => {
  const pem = (key: typeof collector.publicKey): string => key.export({ type: 'spki', format: 'pem' }).toString();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
  const own = pem(collector.publicKey);
  t.equal(parsePublicKeys(`# the collector\n${own}${pem(stranger.publicKey)}`).ok, true);
  for (const bad of ['', 'text', pem(rsa), own.replace('MCow', 'AAAA'), own.repeat(9)])
    t.equal(parsePublicKeys(bad).ok, false, bad.slice(0, 40));
  t.end();
});
