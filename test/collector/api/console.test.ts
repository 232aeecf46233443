import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { MAX_FILES, MAX_TOTAL_BYTES } from '../../../collector/api/console-files.ts';
import { chooseEncoding } from '../../../collector/api/content-encoding.ts';
import { startServer } from './server.ts';
import type { ApiServer } from './server.ts';

const PAGE = '<!doctype html><title>Plimsoll</title>';
const SCRIPT = `console.log(${JSON.stringify('a text that is longer than what is packed. '.repeat(100))});`;

/** A console as the build writes it. */
function built(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-console-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'assets'));
  writeFileSync(join(directory, 'index.html'), PAGE);
  writeFileSync(join(directory, 'assets', 'console-ABCDEFGH.js'), SCRIPT);
  writeFileSync(join(directory, 'assets', 'console-ABCDEFGH.css'), 'body{}');
  return directory;
}

interface Raw {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The answer as it is on the wire: fetch() of Node would unpack it, and tidy the path. */
function ask(server: ApiServer, path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    asked.on('error', reject);
  });
}

void t.test('page and assets, each with what a browser may do with it', async (t) => {
  const server = await startServer(t, { consoleDirectory: built(t) });
  const page = await ask(server, '/');
  t.equal(page.status, 200);
  t.equal(page.body.toString(), PAGE);
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  t.equal(page.headers['cache-control'], 'no-store');
  const script = await ask(server, '/assets/console-ABCDEFGH.js');
  t.equal(script.body.toString(), SCRIPT);
  t.equal(script.headers['content-type'], 'text/javascript; charset=utf-8');
  t.equal(script.headers['cache-control'], 'public, max-age=31536000, immutable');
  t.equal((await ask(server, '/assets/console-ABCDEFGH.css')).headers['content-type'], 'text/css; charset=utf-8');
  for (const { headers } of [page, script]) {
    const policy = String(headers['content-security-policy']).split('; ');
    t.same(policy.slice(0, 3), ["default-src 'none'", "script-src 'self'", "style-src 'self'"]);
    for (const part of ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "trusted-types 'none'"])
      t.ok(policy.includes(part), part);
    t.ok(policy.includes("require-trusted-types-for 'script'"));
    t.notMatch(policy.join(' '), /unsafe|\*|https?:/);
    t.equal(headers['x-content-type-options'], 'nosniff');
    t.equal(headers['cross-origin-opener-policy'], 'same-origin');
    t.equal(headers['cross-origin-resource-policy'], 'same-origin');
    t.equal(headers['referrer-policy'], 'no-referrer', 'the address, which may hold a code, goes nowhere');
    t.equal(headers.vary, 'accept-encoding');
  }
  for (const path of ['/', '/assets/console-ABCDEFGH.js']) {
    const whole = await ask(server, path);
    const head = await ask(server, path, 'HEAD');
    t.equal(head.body.length, 0);
    t.equal(head.headers['content-length'], String(whole.body.length));
    t.equal(head.headers['content-type'], whole.headers['content-type']);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) t.equal((await ask(server, path, method)).status, 404);
  }
});

void t.test('packed as the browser asks, by the independent words of zlib', async (t) => {
  const server = await startServer(t, { consoleDirectory: built(t) });
  const path = '/assets/console-ABCDEFGH.js';
  for (let turn = 0; turn < 2; turn += 1) {
    const br = await ask(server, path, 'GET', { 'accept-encoding': 'gzip, deflate, br, zstd' });
    t.equal(br.headers['content-encoding'], 'br');
    t.equal(brotliDecompressSync(br.body).toString(), SCRIPT);
    t.ok(br.body.length < SCRIPT.length / 4);
    const gz = await ask(server, path, 'GET', { 'accept-encoding': 'gzip' });
    t.equal(gz.headers['content-encoding'], 'gzip');
    t.equal(gunzipSync(gz.body).toString(), SCRIPT);
    const head = await ask(server, path, 'HEAD', { 'accept-encoding': 'gzip' });
    t.equal(head.headers['content-length'], String(gz.body.length));
  }
  const small = await ask(server, '/assets/console-ABCDEFGH.css', 'GET', { 'accept-encoding': 'br' });
  t.equal(small.headers['content-encoding'], undefined, 'not worth it');
});

void t.test('what Accept-Encoding means (RFC 9110, 12.5.3)', (t) => {
  const cases: readonly (readonly [header: string | undefined, chosen: string])[] = [
    [undefined, 'identity'],
    ['', 'identity'],
    ['br', 'br'],
    ['BR;Q=1', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['gzip, br', 'br'],
    ['br;q=0, gzip;q=0', 'identity'],
    ['*', 'br'],
    ['*;q=0.5, br;q=0', 'gzip'],
    ['identity;q=1, br;q=0.5', 'identity'],
    ['deflate', 'identity'],
    ['identity;q=0', 'identity'],
    ['br;q=nonsense', 'identity'],
    [',;=,;q', 'identity'],
    [`${'x,'.repeat(100_000)}br`, 'identity'],
  ];
  for (const [header, chosen] of cases) t.equal(chooseEncoding(header), chosen, String(header).slice(0, 40));
  t.end();
});

void t.test('a path only names what was read at the start', async (t) => {
  const directory = built(t);
  const outside = join(directory, 'secret.txt');
  writeFileSync(outside, 'SECRET');
  symlinkSync(outside, join(directory, 'assets', 'link.txt'));
  execFileSync('mkfifo', [join(directory, 'assets', 'fifo.js')]);
  mkdirSync(join(directory, 'assets', 'directory.js'));
  writeFileSync(join(directory, 'assets', 'program.php'), 'SECRET');
  writeFileSync(join(directory, 'assets', 'constructor'), 'SECRET');
  const server = await startServer(t, { consoleDirectory: directory });
  const paths = [
    '/index.html',
    '/secret.txt',
    '/assets',
    '/assets/',
    '/assets/.',
    '/assets/..',
    '/assets/../secret.txt',
    '/assets/..%2fsecret.txt',
    '/assets/%2e%2e%2fsecret.txt',
    '/assets/..%5csecret.txt',
    '/assets/%00',
    '/assets/console-ABCDEFGH.js%00.css',
    '/assets/console-ABCDEFGH.js/',
    '/assets//console-ABCDEFGH.js',
    '/assets/link.txt',
    '/assets/fifo.js',
    '/assets/directory.js',
    '/assets/program.php',
    '/assets/constructor',
    '/assets/__proto__',
    `/assets/${'x'.repeat(400)}`,
    '//etc/passwd',
  ];
  for (const path of paths) {
    const { status, body, headers } = await ask(server, path);
    t.equal(status, 404, path);
    t.equal(headers['content-type'], 'application/json; charset=utf-8');
    t.notMatch(body.toString(), 'SECRET');
  }
  unlinkSync(join(directory, 'assets', 'console-ABCDEFGH.js'));
  writeFileSync(join(directory, 'index.html'), 'changed');
  t.equal((await ask(server, '/assets/console-ABCDEFGH.js')).status, 200, 'files are not read again');
  t.equal((await ask(server, '/')).body.toString(), PAGE);
});

void t.test('without a console / says how to get one, and the API works', async (t) => {
  const tooMany = built(t);
  for (let count = 0; count < MAX_FILES; count += 1) writeFileSync(join(tooMany, 'assets', `${String(count)}.js`), '');
  const tooLarge = built(t);
  truncateSync(join(tooLarge, 'assets', 'console-ABCDEFGH.js'), MAX_TOTAL_BYTES);
  const cases = [
    [undefined, 0],
    ['/nonexistent/console', 0],
    [tooMany, 1],
    [tooLarge, 1],
  ] as const;
  for (const [consoleDirectory, warnings] of cases) {
    const server = await startServer(t, { consoleDirectory });
    const { status, body, headers } = await ask(server, '/');
    t.equal(status, 200);
    t.equal(headers['content-type'], 'text/plain; charset=utf-8');
    t.match(body.toString(), /has no console[\s\S]*npm run setup/);
    t.equal((await server.fetch('/v1/nodes')).status, 200);
    t.equal(server.logged.filter(({ level }) => level === 'warn').length, warnings, 'the problem is logged');
    await server.close();
  }
});
