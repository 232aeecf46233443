import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createDockerRuntime } from '../../../../agent/runtime/docker/docker-runtime.ts';
import { parseEvent } from '../../../../agent/runtime/docker/events.ts';
import { startEngine } from './engine-socket.ts';
import { noDockerd, startDockerd } from './own-dockerd.ts';
import type { Socket } from 'node:net';
import type { RuntimeEvent } from '../../../../agent/runtime/runtime.ts';

/** Sends `bytes` as soon as the request has come. */
const answering = (bytes: string) => (socket: Socket) => void socket.once('data', () => socket.end(bytes));

const http = (status: string, body: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`;

const ask = async (path: string, limits: { timeoutMs?: number; maxBytes?: number } = {}): Promise<unknown> =>
  createDockerRuntime({ endpoint: `unix://${path}`, ...limits }).version();

void t.test('an answer', async (t) => {
  const requests: string[] = [];
  const path = await startEngine(t, (socket) => {
    socket.once('data', (bytes: Buffer) => {
      requests.push(bytes.toString().split('\r\n')[0] ?? '');
      socket.end(http('200 OK', '{"Version":"ü","a":[1]}'));
    });
  });
  const runtime = createDockerRuntime({ endpoint: `unix://${path}` });
  const version = { version: 'ü', apiVersion: '' };
  t.strictSame(await runtime.version(), { ok: true, value: version, source: 'GET /version' });
  await runtime.engine();
  await runtime.listContainers();
  await runtime.inspectContainer('0af3');
  await runtime.inspectImage('registry.example:5000/team/app:1');
  // The paths of the Engine API reference; a name is one percent-encoded segment.
  t.strictSame(requests.map((line) => line.split(' ')[1] ?? '').sort(), [
    '/containers/0af3/json',
    '/containers/json?all=true',
    '/images/json',
    '/images/registry.example%3A5000%2Fteam%2Fapp%3A1/history',
    '/images/registry.example%3A5000%2Fteam%2Fapp%3A1/json',
    '/info',
    '/networks/bridge',
    '/version',
    '/version',
  ]);
});

void t.test('what is no name is never sent', async (t) => {
  const path = await startEngine(t, () => t.fail('nothing is asked'));
  const runtime = createDockerRuntime({ endpoint: `unix://${path}` });
  for (const name of ['', '../info', 'a/../../info', 'a b', 'a\r\nX: y', 'a?all=1', '-a', 'a'.repeat(513)]) {
    t.match(await runtime.inspectContainer(name), { ok: false, code: 'failed' }, JSON.stringify(name.slice(0, 20)));
  }
});

void t.test('failures are values', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-engine-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  t.match(await ask(join(directory, 'none.sock')), { ok: false, code: 'absent', reason: /ENOENT/ });

  const server = createServer();
  const stale = join(directory, 'stale.sock');
  await new Promise<void>((resolve) => server.listen(stale, resolve));
  const { rename } = await import('node:fs/promises');
  await rename(stale, join(directory, 'kept.sock'));
  await new Promise((resolve) => server.close(resolve));
  t.match(await ask(join(directory, 'kept.sock')), { ok: false, code: 'absent', reason: /ECONNREFUSED/ });

  const cases: readonly (readonly [string, string, RegExp])[] = [
    [http('404 Not Found', '{"message":"No such container: 0af3"}'), 'notFound', /No such container: 0af3/],
    [http('403 Forbidden', '{"message":"authorization denied by plugin"}'), 'denied', /HTTP 403/],
    [http('500 Oops', '{"message":"boom\\u001b[31m"}'), 'failed', /^HTTP 500: boom \[31m$/],
    [http('500 Oops', 'm'.repeat(5000)), 'failed', /^HTTP 500: m{300}$/],
    [http('200 OK', 'not json'), 'malformed', /not JSON/],
    [http('200 OK', ''), 'malformed', /not JSON/],
    ['SSH-2.0-OpenSSH_9.9\r\n', 'failed', /./],
    ['HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"cut', 'failed', /./],
    [`HTTP/1.1 200 OK\r\n${'X-Padding: p\r\n'.repeat(100_000)}`, 'failed', /./],
    ['', 'failed', /./],
  ];
  for (const [bytes, code, reason] of cases) {
    const path = await startEngine(t, answering(bytes));
    t.match(await ask(path), { ok: false, code, reason }, `${JSON.stringify(bytes.slice(0, 30))} is ${code}`);
  }
  for (const endpoint of ['ssh://127.0.0.1', 'tcp://', 'tcp://a:0', 'unix://relative', 'fd://'])
    t.match(await createDockerRuntime({ endpoint }).version(), {
      ok: false,
      code: 'failed',
      reason: /not an endpoint/,
    });
  // Nobody listens on port 1 of loopback here.
  t.match(await createDockerRuntime({ endpoint: 'tcp://127.0.0.1:1' }).version(), { ok: false, code: 'absent' });
});

void t.test('nobody makes us wait or fills our memory', async (t) => {
  const silent = await startEngine(t, () => {});
  t.match(await ask(silent, { timeoutMs: 30 }), { ok: false, code: 'timeout' }, 'nothing is said');

  const dripping = await startEngine(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n');
  });
  t.match(await ask(dripping, { timeoutMs: 100 }), { ok: false, code: 'timeout' }, 'the answer never ends');

  const body = JSON.stringify({ x: 'x'.repeat(1000) });
  const exact = await startEngine(t, answering(http('200 OK', body)));
  t.match(await ask(exact, { maxBytes: body.length }), { ok: true });
  t.match(await ask(exact, { maxBytes: body.length - 1 }), { ok: false, code: 'tooLarge' });

  const endless = await startEngine(t, (socket) => {
    socket.write('HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n');
    const pour = (): void => {
      while (!socket.destroyed && socket.write(`8000\r\n${'y'.repeat(0x8000)}\r\n`));
    };
    socket.on('drain', pour);
    pour();
  });
  t.match(await ask(endless), { ok: false, code: 'tooLarge' }, 'an error message without end');
});

void t.test('not for us', { skip: process.getuid?.() === 0 ? false : 'needs root to take another user' }, async (t) => {
  const path = await startEngine(t, answering(http('200 OK', '{}')));
  chmodSync(join(path, '..'), 0o755);
  chmodSync(path, 0o600);
  await ask(path);
  process.seteuid?.(65534);
  let answer: unknown;
  try {
    answer = await ask(path);
  } finally {
    process.seteuid?.(0);
  }
  t.match(answer, { ok: false, code: 'denied', reason: /EACCES/ });
});

void t.test('DOCKER_HOST is not ours to read', async (t) => {
  const path = await startEngine(t, answering(http('200 OK', '{}')));
  for (const value of ['tcp://127.0.0.1:1', 'nonsense://:::', 'ssh://nobody@127.0.0.1']) {
    process.env['DOCKER_HOST'] = value;
    process.env['DOCKER_CERT_PATH'] = '/none/such';
    t.match(await ask(path), { ok: true }, value);
    t.equal(process.env['DOCKER_HOST'], value, 'and it stays as it was');
  }
  delete process.env['DOCKER_HOST'];
  delete process.env['DOCKER_CERT_PATH'];
});

/** Collects events until the stream ends. */
async function follow(path: string): Promise<{ events: RuntimeEvent[]; reason: string }> {
  const events: RuntimeEvent[] = [];
  const runtime = createDockerRuntime({ endpoint: `unix://${path}`, timeoutMs: 200 });
  const reason = await new Promise<string>((resolve) => {
    runtime.events((event) => events.push(event), resolve, new AbortController().signal);
  });
  return { events, reason };
}

const STREAM = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n';

void t.test('events', async (t) => {
  // As the Engine API reference shows them; the last line of a stream may be cut anywhere.
  const start = '{"Type":"container","Action":"start","Actor":{"ID":"0af3","Attributes":{"name":"shop"}},"time":1}\n';
  const exec = '{"Type":"container","Action":"exec_start: /bin/sh -c echo secret","Actor":{"ID":"0af3"}}\n';
  const reload = '{"Type":"daemon","Action":"reload","Actor":{"ID":"9c"}}\r\n\n';
  const volume = '{"Type":"volume","Action":"create","Actor":{"ID":"v"}}\n';
  const all = start + exec + volume + reload;
  const expected = [
    { kind: 'containerStarted', id: '0af3' },
    { kind: 'execChanged', id: '0af3' },
    { kind: 'engineReloaded' },
  ];

  const whole = await startEngine(t, answering(`${STREAM}${all}{"Type":"cont`));
  t.strictSame(await follow(whole), { events: expected, reason: 'the engine ended the event stream' });

  const drop = await startEngine(t, (socket) => {
    socket.once('data', () => {
      socket.setNoDelay(true);
      const bytes = Buffer.from(STREAM + all);
      const send = (at: number): void => {
        if (at >= bytes.length) socket.end();
        else socket.write(bytes.subarray(at, at + 7), () => setImmediate(send, at + 7));
      };
      send(0);
    });
  });
  t.strictSame((await follow(drop)).events, expected, 'in pieces of seven bytes');
});

void t.test('a list has revisions only of a Docker daemon whose events are followed', async (t) => {
  const list = JSON.stringify([{ Id: '0af3', Names: ['/shop'], State: 'running', Status: 'Up 5 minutes' }]);
  for (const [header, expected] of [
    ['', /./],
    ['Libpod-API-Version: 5.4.2\r\n', /^$/],
  ] as const) {
    const path = await startEngine(t, (socket) => {
      socket.on('data', (bytes: Buffer) => {
        if (bytes.toString().startsWith('GET /events')) return socket.write(`HTTP/1.1 200 OK\r\n${header}\r\n`);
        return socket.write(http(`200 OK\r\n${header.trimEnd() || 'Server: Docker'}`, list));
      });
    });
    const runtime = createDockerRuntime({ endpoint: `unix://${path}` });
    t.match(await runtime.listContainers(), { value: [{ revision: /^$/ }] });
    const stopping = new AbortController();
    runtime.events(
      () => undefined,
      () => t.fail('the stream goes on'),
      stopping.signal,
    );
    await sleep(100);
    t.match(await runtime.listContainers(), { value: [{ revision: expected }] }, header);
    stopping.abort();
  }
});

void t.test('an event with a long command and many labels does not end the stream', async (t) => {
  const labels = Object.fromEntries(
    Array.from({ length: 20_001 }, (_, index) => [`label${String(index)}`, 'v'.repeat(100)]),
  );
  const action = `exec_start: ${'a'.repeat(2_000_000)}`;
  const lines = [
    { Type: 'container', Action: action, Actor: { ID: 'c1', Attributes: { ...labels, execID: 'x' } } },
    { Type: 'network', Action: 'connect', Actor: { ID: 'n1', Attributes: { ...labels, container: 'c2' } } },
  ].map((event) => `${JSON.stringify(event)}\n`);
  const path = await startEngine(t, answering(STREAM + lines.join('')));
  t.strictSame((await follow(path)).events, [
    { kind: 'execChanged', id: 'c1' },
    { kind: 'containerChanged', id: 'c2' },
  ]);
});

void t.test('actions of events', (t) => {
  const event = (Type: string, Action: string, container?: string): string =>
    JSON.stringify({ Type, Action, Actor: { ID: 'id', Attributes: container === undefined ? {} : { container } } });
  const table: readonly (readonly [string, RuntimeEvent | undefined])[] = [
    [event('container', 'start'), { kind: 'containerStarted', id: 'id' }],
    [event('container', 'die'), { kind: 'containerChanged', id: 'id' }],
    [event('container', 'update'), { kind: 'containerChanged', id: 'id' }],
    [event('container', 'create'), { kind: 'containerChanged', id: 'id' }],
    [event('container', 'health_status: healthy'), { kind: 'containerChanged', id: 'id' }],
    [event('container', 'exec_start: sh'), { kind: 'execChanged', id: 'id' }],
    [event('container', 'exec_create: sh'), undefined],
    [event('network', 'connect', 'c'), { kind: 'containerChanged', id: 'c' }],
    [event('network', 'connect'), undefined],
    [event('daemon', 'reload'), { kind: 'engineReloaded' }],
    [event('image', 'tag'), undefined],
  ];
  for (const [line, expected] of table)
    t.strictSame(parseEvent(line), expected === undefined ? {} : { event: expected }, line);
  t.end();
});

void t.test('an event stream that is none', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [`${STREAM}garbage\n`, /not understood: a line that is not JSON/],
    [`${STREAM}{"Type":7}\n`, /not understood: .*Type/],
    [`${STREAM}[]\n`, /not understood/],
    [`${STREAM}[${'1,'.repeat(600_000)}`, /more than 1048576 bytes/],
    [http('400 Bad Request', '{"message":"no"}'), /HTTP 400/],
    ['nonsense', /./],
    ['', /./],
  ];
  for (const [bytes, reason] of cases) {
    const path = await startEngine(t, answering(bytes));
    const ended = await follow(path);
    t.match(ended.reason, reason);
    t.strictSame(ended.events, []);
  }
  t.match((await follow('/none/such.sock')).reason, /no socket/);
  const silent = await startEngine(t, () => {});
  t.match((await follow(silent)).reason, /./, 'a stream that never begins ends too');
});

void t.test('an aborted stream tells nothing more', async (t) => {
  let closed = (): void => {};
  const isClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const path = await startEngine(t, (socket) => {
    socket.once('data', () => {
      socket.write(`${STREAM}{"Type":"container","Action":"start","Actor":{"ID":"1"}}\n`);
      socket.on('end', closed);
    });
  });
  const stopping = new AbortController();
  const events: RuntimeEvent[] = [];
  createDockerRuntime({ endpoint: `unix://${path}` }).events(
    (event) => {
      events.push(event);
      stopping.abort();
    },
    () => t.fail('an abort is not an end'),
    stopping.signal,
  );
  await isClosed;
  t.equal(events.length, 1);
});

void t.test('a real engine, stopped while we listen', { skip: noDockerd }, async (t) => {
  const dockerd = await startDockerd();
  t.teardown(() => dockerd.stop());
  const runtime = createDockerRuntime({ endpoint: dockerd.endpoint });
  // `containerd github.com/containerd/containerd 1.7.24~ds1 COMMIT`, `runc version 1.1.15+ds1`
  const components = ['containerd', 'runc'].map((name) => ({
    name,
    version: execFileSync(name, ['--version'], { encoding: 'utf8' }).split(/[ \n]/)[2],
  }));
  t.match(await runtime.engine(), {
    ok: true,
    value: { api: { dataRoot: join(dockerd.directory, 'data-root'), apiVersion: /^1\.\d+$/, components } },
  });
  const ended = new Promise<string>((resolve) => {
    runtime.events(() => {}, resolve, new AbortController().signal);
  });
  // The stream is open once the engine has answered another call after it.
  await runtime.version();
  process.kill(dockerd.pid, 'SIGTERM');
  t.match(await ended, /./);
});
