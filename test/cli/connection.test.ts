import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { closedAddress, plimsoll, temporaryDirectory } from './process.ts';

void t.test('each obstacle is reported, with what to do', async (t) => {
  const { port } = await startServer(t);
  const directory = temporaryDirectory(t);
  const tokenFile = join(directory, 'operator-token');
  writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  const flags = ['--api', `127.0.0.1:${String(port)}`, '--token-file', tokenFile, '--data-dir', directory];
  const closed = await closedAddress();
  const none = await plimsoll(['nodes', '--api', closed, '--data-dir', directory]);
  t.equal(none.code, 2);
  t.match(
    none.stderr,
    new RegExp(`no collector answers at http://${closed} \\(ECONNREFUSED\\)\n {2}start one with: plimsoll up`),
  );
  const missing = await plimsoll(['nodes', ...flags.with(3, join(directory, 'absent'))]);
  t.match(missing.stderr, /operator token could not be read from .*absent: ENOENT/);
  writeFileSync(tokenFile, 'd3Jvbmc');
  t.match((await plimsoll(['nodes', ...flags])).stderr, /does not accept this operator token/);
  writeFileSync(tokenFile, '\0\u0001');
  t.match((await plimsoll(['nodes', ...flags])).stderr, /it contains no token/);
});

void t.test('something else that listens there', async (t) => {
  const answers: readonly (readonly [status: number, type: string, body: string, problem: RegExp])[] = [
    [200, 'text/html', '<html>', /does not understand \(not JSON\)/],
    [200, 'application/json', '{"nodes":[{"id":1}]}', /does not understand \(\.nodes\[0\]\.id: expected a string\)/],
    [500, 'text/html', 'oops', /answered HTTP 500/],
    [301, 'text/html', '', /no collector answers|HTTP 301/],
  ];
  for (const [status, type, body, problem] of answers) {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': type, location: 'http://127.0.0.1:1/' }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'operator-token'), TOKEN);
    const run = await plimsoll(['nodes', '--api', `127.0.0.1:${String(port)}`, '--data-dir', directory]);
    server.close();
    t.equal(run.code, 2);
    t.match(run.stderr, problem);
  }
});
