import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createFakeClock } from '../../service/fake-clock.ts';
import { until, watched } from './watched.ts';

function fixtureRoot(test: { readonly teardown: (run: () => void) => void }): string {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-watch-'));
  test.teardown(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'etc/docker'), { recursive: true });
  writeFileSync(join(root, 'etc/machine-id'), '0123456789abcdef0123456789abcdef\n');
  writeFileSync(join(root, 'etc/docker/daemon.json'), '{}', { mode: 0o644 });
  chmodSync(join(root, 'etc/docker/daemon.json'), 0o644);
  return root;
}

const DAEMON_JSON = '/etc/docker/daemon.json';
const MODE = 'file.daemon-json-mode';

void t.test('a file that changes is judged again, without a round', async (t) => {
  const hostRoot = fixtureRoot(t);
  const node = await watched(t, { dockerHost: 'unix:///var/run/docker.sock', hostRoot });
  await until('the first round', () => node.watch.snapshot() !== undefined);
  t.equal(node.finding(MODE, DAEMON_JSON)?.verdict, 'pass');
  chmodSync(join(hostRoot, DAEMON_JSON), 0o666);
  await until('the new mode', () => node.finding(MODE, DAEMON_JSON)?.verdict === 'fail');
  chmodSync(join(hostRoot, DAEMON_JSON), 0o600);
  await until('the old verdict', () => node.finding(MODE, DAEMON_JSON)?.verdict === 'pass');
  t.equal(node.logged.filter((line) => line.startsWith('full round')).length, 1);
  const { delta } = node.updates.at(-1) ?? {};
  t.ok((delta?.changed.length ?? 0) < 5, 'only what is touched is told');
});

void t.test('a sweep comes in its time, and says nothing where nothing changed', async (t) => {
  const clock = createFakeClock();
  const options = { dockerHost: 'unix:///var/run/docker.sock', hostRoot: fixtureRoot(t), clock };
  const node = await watched(t, { ...options, sweepIntervalMs: 900_000 });
  const rounds = (): number => node.logged.filter((line) => line.startsWith('full round')).length;
  await until('the first round', () => rounds() === 1);
  t.ok((node.updates[0]?.delta.added.length ?? 0) > 100);
  await clock.advance(899_000);
  const before = rounds();
  await clock.advance(1000);
  await until('the sweep', () => rounds() === before + 1);
  t.same(node.updates.at(-1)?.delta, { added: [], changed: [], gone: [] });
  t.equal(node.updates.at(-1)?.findings, node.updates[0]?.findings, 'the same set, not another that is equal');
});

void t.test('it ends when it is told to, and leaves nothing behind', async (t) => {
  const clock = createFakeClock();
  const node = await watched(t, { dockerHost: 'unix:///var/run/docker.sock', hostRoot: fixtureRoot(t), clock });
  await until('the first round', () => node.watch.snapshot() !== undefined);
  await node.stop();
  t.equal(clock.waiting(), 0);
});
