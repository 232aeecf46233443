import t from 'tap';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import { openRuntime } from '../../../agent/runtime/open-runtime.ts';
import type { RuntimeAdapter } from '../../../agent/runtime/open-runtime.ts';
import { testDocker } from '../../component/docker.ts';
import { temporaryDirectory } from '../record/temporary-directory.ts';
import { startEngine } from './docker/engine-socket.ts';
import { createMemoryRuntime } from './memory-runtime.ts';
import type { MemoryState } from './memory-runtime.ts';

const docker: RuntimeAdapter = (endpoint) => createDockerRuntime({ endpoint, timeoutMs: 300 });
const STATE: MemoryState = { version: { version: '2.0', apiVersion: 'v1' }, engine: {}, containers: {}, images: {} };
/** A second adapter whose runtime always answers. */
const second: RuntimeAdapter = (endpoint) => createMemoryRuntime(endpoint, () => STATE);

/** The preface that a gRPC server sends: an empty SETTINGS frame (RFC 9113, section 6.5). */
const HTTP2_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const http = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`;

const found = testDocker();
void t.test('a Docker engine', { skip: 'reason' in found && found.reason }, async (t) => {
  if (!('docker' in found)) return;
  const runtime = openRuntime(found.docker.endpoint, [docker, second]);
  t.equal(runtime.name, 'unknown', 'nobody was asked yet');
  t.match(await runtime.listContainers(), { ok: true });
  t.equal(runtime.name, 'docker');
});

void t.test('a server that speaks another protocol is asked by the next adapter', async (t) => {
  for (const [what, answer] of Object.entries({
    gRPC: HTTP2_SETTINGS,
    'HTTP without this API': 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
    'JSON without a version': http('{}'),
  }))
    await t.test(what, async (t) => {
      const path = await startEngine(t, (socket) => socket.on('data', () => socket.end(answer)));
      const runtime = openRuntime(`unix://${path}`, [docker, second]);
      t.match(await runtime.version(), { ok: true, value: { version: '2.0' } });
      t.equal(runtime.name, 'cri');
      const only = openRuntime(`unix://${path}`, [docker]);
      t.match(await only.version(), { ok: false, code: 'malformed', reason: /not a container runtime/ });
      t.equal(only.name, 'unknown');
    });
});

void t.test('a server that never answers costs one deadline, and is asked again', async (t) => {
  let connections = 0;
  let answer = '';
  const path = await startEngine(t, (socket) => {
    connections += 1;
    socket.on('data', () => void (answer !== '' && socket.end(http(answer))));
  });
  const runtime = openRuntime(`unix://${path}`, [docker, second]);
  const startedMs = performance.now();
  const replies = await Promise.all([runtime.version(), runtime.engine(), runtime.listContainers()]);
  t.ok(performance.now() - startedMs < 2000);
  t.match(replies, [{ code: 'timeout' }, { code: 'timeout' }, { code: 'timeout' }]);
  t.equal(connections, 1, 'calls at the same time share an attempt');
  answer = '{"Version":"27.0","ApiVersion":"1.47"}';
  t.match(await runtime.version(), { ok: true, value: { apiVersion: '1.47' } });
  t.equal(runtime.name, 'docker');
});

void t.test('no socket: the events end, once', async (t) => {
  const runtime = openRuntime(`unix://${temporaryDirectory(t)}/none.sock`, [docker, second]);
  t.match(await runtime.version(), { code: 'absent' });
  const reason = await new Promise<string>((resolve) =>
    runtime.events(() => t.fail('nothing happens'), resolve, new AbortController().signal),
  );
  t.match(reason, /no socket/);
});
