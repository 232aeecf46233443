import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { anonymous } from '../../../image/registry/credentials.ts';
import { updateDatabase } from '../../../image/vulndb/update.ts';
import type { UpdateOptions, UpdateResult } from '../../../image/vulndb/update.ts';
import { openUpdateSource } from '../../../image/vulndb/update-source.ts';
import { noRegistry, OCI_MANIFEST, startRegistry } from '../../component/registry.ts';
import { advisory, build, BUILT_AT, temporaryDirectory } from '../../fixture/vulnerability-data.ts';

const DAY_MS = 86_400_000;
const NOW = BUILT_AT + 2 * DAY_MS;

/** A database that is there, and a newer one with its checksum beside it. */
async function scene(t: Test) {
  const directory = temporaryDirectory(t);
  const records = join(directory, 'a.ndjson');
  const one = advisory('GHSA-1', { ecosystem: 'npm', name: 'a' }, [[{ introduced: '0' }, { fixed: '1.0.0' }]]);
  writeFileSync(records, `${JSON.stringify(one)}\n`);
  const output = join(directory, 'place.sqlite');
  const next = join(directory, 'next.sqlite');
  await build([records], output);
  await build([records], next, { builtAt: BUILT_AT + DAY_MS });
  const before = readFileSync(output);
  const update = async (from: string, more: Partial<UpdateOptions> & { ca?: string } = {}): Promise<UpdateResult> => {
    const { ca, ...options } = more;
    const { signal } = new AbortController();
    const opened = openUpdateSource(from, { ca, environment: {}, credentials: anonymous, signal, maxBytes: 1e9 });
    if (!opened.ok) return opened;
    return updateDatabase({
      source: opened.source,
      output,
      sha256: undefined,
      publicKey: undefined,
      allowOlder: false,
      maxBytes: 1e9,
      now: NOW,
      onProgress: () => undefined,
      ...options,
    });
  };
  const refused = async (
    name: string,
    problem: RegExp,
    from: string,
    more: Partial<UpdateOptions> & { ca?: string } = {},
  ): Promise<void> => {
    const result = await update(from, more);
    t.equal(result.ok, false, name);
    t.match(result.ok ? '' : result.problem, problem, name);
    t.ok(readFileSync(output).equals(before), `${name}: the old database stays`);
    t.strictSame(
      readdirSync(directory).filter((entry) => entry.startsWith('.vulndb')),
      [],
      `${name}: nothing is left behind`,
    );
  };
  return { directory, output, next, records, update, refused };
}

const digest = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

void t.test('a file with the right checksum is put in place', async (t) => {
  const { next, output, update, directory } = await scene(t);
  t.match(await update(next), { ok: true, previousBuiltAt: BUILT_AT, isSigned: false });
  t.ok(readFileSync(output).equals(readFileSync(next)));
  for (const [name, compress] of [
    ['x.gz', gzipSync],
    ['x.zst', zstdCompressSync],
  ] as const) {
    const content = compress(readFileSync(next));
    writeFileSync(join(directory, name), content);
    t.match(await update(join(directory, name), { sha256: digest(content) }), { ok: true }, name);
    t.ok(readFileSync(output).equals(readFileSync(next)), name);
  }
});

void t.test('damage, lies and downgrades are refused', async (t) => {
  const { directory, next, output, records, refused, update } = await scene(t);
  const file = join(directory, 'given.sqlite');
  const content = readFileSync(next);
  const give = (bytes: Buffer, checksum = digest(bytes)): void => {
    writeFileSync(file, bytes);
    writeFileSync(`${file}.sha256`, `${checksum}  given.sqlite\n`);
  };
  await refused('no such file', /ENOENT/, join(directory, 'absent'));
  await refused('a directory', /not a file/, directory);
  copyFileSync(next, join(directory, 'alone.sqlite'));
  await refused('no checksum', /no \.sha256 file/, join(directory, 'alone.sqlite'));
  give(content, 'f'.repeat(64));
  await refused('a wrong checksum', /checksum is wrong/, file);
  give(content, 'no checksum');
  await refused('a checksum that is none', /does not begin with a checksum/, file);
  give(content);
  await refused('the checksum of the caller decides', /checksum is wrong/, file, { sha256: 'a'.repeat(64) });
  await refused('too large', /larger than 10 KiB/, file, { maxBytes: 10 * 1024 });
  give(content.subarray(0, content.length / 2));
  await refused('half a file', /not usable/, file);
  const changed = Buffer.from(content);
  changed.fill(0xff, 8192, 8392);
  give(changed);
  await refused('a damaged page', /not usable/, file);
  give(gzipSync(content).subarray(0, -30));
  await refused('half an archive', /damaged or cut off/, file);
  give(Buffer.from('<html>not found</html>'));
  await refused('a page of a server', /not usable/, file);
  give(Buffer.alloc(0));
  await refused('nothing', /not usable/, file);
  const alterations: Readonly<Record<string, string>> = {
    'a trigger': 'CREATE TRIGGER x AFTER INSERT ON meta BEGIN SELECT 1; END',
    'a view in the place of a table': 'DROP TABLE alias; CREATE VIEW alias AS SELECT 1 AS advisory, 2 AS id',
    'another table': 'CREATE TABLE more(a)',
    'a missing index': 'DROP INDEX affected_by_advisory',
    'another layout': 'PRAGMA user_version=99',
    'another application': 'PRAGMA application_id=1',
    'no time': "DELETE FROM meta WHERE key = 'builtAt'",
    'a time that is text': "UPDATE meta SET value = 'soon' WHERE key = 'builtAt'",
    'no advisory': 'DELETE FROM advisory',
    'the future': `UPDATE meta SET value = '${String(NOW + 10 * DAY_MS)}' WHERE key = 'builtAt'`,
  };
  for (const [name, sql] of Object.entries(alterations)) {
    writeFileSync(file, content);
    const database = new DatabaseSync(file);
    database.exec(sql);
    database.close();
    give(readFileSync(file));
    await refused(name, /not usable|empty|future/, file);
  }
  await build([records], file, { builtAt: BUILT_AT - DAY_MS });
  await refused('an older database', /--allow-older accepts it/, file);
  t.match(await update(file, { allowOlder: true }), { ok: true, previousBuiltAt: BUILT_AT });
  writeFileSync(output, 'damaged');
  t.match(await update(file), { ok: true, previousBuiltAt: undefined }, 'a damaged one is replaced');
});

void t.test('signatures: ECDSA and Ed25519, of the file and of nothing else', async (t) => {
  const { directory, next, refused, update } = await scene(t);
  const file = join(directory, 'signed.sqlite');
  const content = readFileSync(next);
  writeFileSync(file, content);
  const pem = { type: 'spki', format: 'pem' } as const;
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const publicKey = ec.publicKey.export(pem).toString();
  await refused('no signature', /not signed/, file, { publicKey });
  writeFileSync(`${file}.sig`, sign('sha256', content, other.privateKey).toString('base64'));
  await refused('another key', /does not belong/, file, { publicKey });
  writeFileSync(`${file}.sig`, sign('sha256', Buffer.from('another file'), ec.privateKey).toString('base64'));
  await refused('another file', /does not belong/, file, { publicKey });
  for (const text of ['', 'AAAA', 'no base64 !!', '\0\0\0']) {
    writeFileSync(`${file}.sig`, text);
    await refused(`signature ${JSON.stringify(text)}`, /does not belong/, file, { publicKey });
  }
  writeFileSync(`${file}.sig`, sign('sha256', content, ec.privateKey).toString('base64'));
  await refused('no key', /not a public key/, file, { publicKey: 'text' });
  await refused('RSA', /neither ECDSA nor Ed25519/, file, { publicKey: rsa.publicKey.export(pem).toString() });
  await refused('a checksum that is wrong beside a right signature', /checksum is wrong/, file, {
    publicKey,
    sha256: 'a'.repeat(64),
  });
  t.match(await update(file, { publicKey }), { ok: true, isSigned: true });
  writeFileSync(`${file}.sig`, sign(null, content, ed.privateKey));
  t.match(await update(file, { publicKey: ed.publicKey.export(pem).toString() }), { ok: true, isSigned: true });
  // The tool that most people sign with.
  writeFileSync(join(directory, 'key.pem'), ec.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  execFileSync('openssl', ['dgst', '-sha256', '-sign', join(directory, 'key.pem'), '-out', `${file}.sig`, file]);
  t.match(await update(file, { publicKey }), { ok: true, isSigned: true });
});

void t.test('over HTTPS', async (t) => {
  const { directory, next, refused, update } = await scene(t);
  const key = join(directory, 'tls.key');
  const certificate = join(directory, 'tls.pem');
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'.split(' ');
  const files = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate];
  execFileSync('openssl', [...request, ...files], { stdio: 'ignore' });
  const ca = readFileSync(certificate, 'utf8');
  const content = gzipSync(readFileSync(next));
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    switch (request.url ?? '') {
      case '/db.gz':
      case '/cut.gz':
        response.setHeader('content-length', content.length);
        response.write(content.subarray(0, 1000));
        if (request.url === '/cut.gz') setTimeout(() => response.destroy(), 50);
        else response.end(content.subarray(1000));
        return;
      case '/db.gz.sha256':
      case '/cut.gz.sha256':
        response.end(`${digest(content)}  db.gz\n`);
        return;
      case '/moved.gz':
        response.writeHead(302, { location: '/db.gz' }).end();
        return;
      case '/loop.gz':
        response.writeHead(302, { location: '/loop.gz' }).end();
        return;
      case '/plain.gz':
        response.writeHead(302, { location: 'http://localhost/db.gz' }).end();
        return;
      case '/endless.sha256':
        response.write('a'.repeat(1_000_000));
        response.end('a'.repeat(1_000_000));
        return;
      case '/endless':
        response.end(content);
        return;
      default:
        response.writeHead(404).end();
    }
  };
  const server = createServer({ key: readFileSync(key), cert: ca }, answer);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => server.close());
  const base = `https://localhost:${String((server.address() as AddressInfo).port)}`;
  await refused('an authority that is not trusted', /cannot be reached/, `${base}/db.gz`);
  await refused('no such file', /HTTP 404/, `${base}/absent.gz`, { ca });
  await refused('a connection that breaks', /broke/, `${base}/cut.gz`, { ca });
  await refused('redirects without an end', /redirects too often/, `${base}/loop.gz`, { ca });
  await refused('a redirect to http', /not protected/, `${base}/plain.gz`, { ca });
  await refused('a checksum without an end', /too large/, `${base}/endless`, { ca });
  await refused('a redirected file without a checksum of its own', /no \.sha256/, `${base}/moved.gz`, { ca });
  await refused('http', /not protected/, 'http://localhost/db.gz');
  await refused('a password', /password is not accepted/, 'https://user:secret@localhost/db.gz');
  await refused('another scheme', /not a file, an https/, 'ftp://localhost/db.gz');
  t.match(await update(`${base}/moved.gz`, { ca, sha256: digest(content) }), { ok: true });
  t.match(await update(`${base}/db.gz`, { ca }), { ok: true, isSigned: false });
});

void t.test('from an OCI registry', { skip: noRegistry }, async (t) => {
  const { next, refused, update } = await scene(t);
  const registry = await startRegistry(t, { tls: true });
  const { host, ca } = registry;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const content = gzipSync(readFileSync(next));
  const push = async (tag: string, files: Readonly<Record<string, Buffer>>): Promise<void> => {
    const layers = [];
    for (const [title, file] of Object.entries(files)) {
      const annotations = { 'org.opencontainers.image.title': title };
      layers.push({ mediaType: 'application/octet-stream', ...(await registry.pushBlob('vulndb', file)), annotations });
    }
    const config = {
      mediaType: 'application/vnd.oci.empty.v1+json',
      ...(await registry.pushBlob('vulndb', Buffer.from('{}'))),
    };
    await registry.pushManifest('vulndb', tag, { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers });
  };
  const signature = Buffer.from(sign('sha256', content, privateKey).toString('base64'));
  await push('signed', { 'vulndb.sqlite.gz': content, 'vulndb.sqlite.gz.sig': signature });
  await push('plain', { 'vulndb.sqlite.gz': content });
  await push('swapped', { 'vulndb.sqlite.gz': gzipSync('another'), 'vulndb.sqlite.gz.sig': signature });
  await push('two', { 'a.gz': content, 'b.gz': gzipSync('b') });
  await refused('no such tag', /not/i, `oci://${host}/vulndb:absent`, { ca });
  await refused('no signature', /not signed/, `oci://${host}/vulndb:plain`, { ca, publicKey: pem });
  await refused('a signature of another file', /does not belong/, `oci://${host}/vulndb:swapped`, {
    ca,
    publicKey: pem,
  });
  await refused('two files', /one layer/, `oci://${host}/vulndb:two`, { ca });
  await refused('an authority that is not trusted', /./, `oci://${host}/vulndb:plain`);
  await refused('no reference', /oci:\/\//, 'oci://UPPER/Case', { ca });
  t.match(await update(`oci://${host}/vulndb:signed`, { ca, publicKey: pem }), { ok: true, isSigned: true });
  t.match(await update(`oci://${host}/vulndb:plain`, { ca }), { ok: true, isSigned: false });
});
