import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import t from 'tap';
import { runInventory } from '../../../image/inventory/run-inventory.ts';
import type { InventoryRun } from '../../../image/inventory/run-inventory.ts';
import { inventoryOf, makeRoot } from '../../fixture/image-root.ts';

const worker = new URL('../../../image/inventory/worker.ts', import.meta.url);
const STATUS = 'Package: a\nStatus: install ok installed\nVersion: 1.0\n\n';
const runOf = (path: string, more: Partial<InventoryRun> = {}): InventoryRun => ({
  source: { kind: 'directory', path, mounts: 'volume' },
  worker,
  ...more,
});
/** Enough small files that walking takes a while. */
const largeRoot = (t: Parameters<typeof makeRoot>[0]): string =>
  makeRoot(
    t,
    Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`d${String(index % 50)}/f${String(index)}`, 'x'])),
  );

void t.test('the result of the thread is the inventory that is taken directly', async (t) => {
  const root = makeRoot(t, { 'var/lib/dpkg/status': STATUS, 'etc/os-release': 'ID=debian' });
  t.strictSame(await runInventory(runOf(root)), { ok: true, inventory: inventoryOf(root) });
});

void t.test('a source that cannot be opened', async (t) => {
  t.match(await runInventory(runOf('/absent/root')), { ok: false, code: 'unreadable', reason: /ENOENT/ });
  t.match(await runInventory(runOf('/etc/passwd')), { ok: false, code: 'unreadable', reason: /ENOTDIR/ });
});

void t.test('the deadline, the signal and the limit of memory end the thread', async (t) => {
  const root = largeRoot(t);
  t.match(await runInventory(runOf(root, { deadlineMs: 1 })), { ok: false, code: 'deadline' });
  const abort = new AbortController();
  const progress: number[] = [];
  const stopped = await runInventory(
    runOf(root, {
      signal: abort.signal,
      onProgress: (how) => {
        progress.push(how.stage === 'files' ? how.files : -1);
        abort.abort();
      },
    }),
  );
  t.match(stopped, { ok: false, code: 'aborted' });
  t.match(progress, [1000]);
  t.match(await runInventory(runOf(root, { signal: AbortSignal.abort() })), { ok: false, code: 'aborted' });
  // 60,000 packages do not fit into a heap that is a little larger than an idle thread needs.
  const status = Array.from({ length: 60_000 }, (_, index) =>
    STATUS.replace(': a', `: ${'name'.repeat(40)}${String(index)}`),
  );
  const full = makeRoot(t, { 'var/lib/dpkg/status': status.join('') });
  t.match(await runInventory(runOf(full, { maxHeapMb: 12 })), { ok: false, code: 'memory' });
});

void t.test('a worker that cannot be loaded, or ends, is an outcome', async (t) => {
  const root = makeRoot(t, {});
  const absent = await runInventory(runOf(root, { worker: new URL('absent.ts', worker) }));
  t.match(absent, { ok: false, code: 'crashed' });
  const ending = new URL('data:text/javascript,process.exit(3)');
  t.match(await runInventory(runOf(root, { worker: ending })), { ok: false, code: 'crashed', reason: /exit code 3/ });
});

void t.test('the thread, and it alone, has a lower priority', async (t) => {
  const priorities = new Set<number>();
  await runInventory(
    runOf(largeRoot(t), {
      onProgress: () => {
        // proc_pid_stat(5): field 19 is the nice value; fields 3 and up follow the name in parentheses.
        for (const task of readdirSync('/proc/self/task')) {
          const stat = readFileSync(`/proc/self/task/${task}/stat`, 'utf8');
          priorities.add(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
        }
      },
    }),
  );
  t.ok(priorities.has(10), [...priorities].join(' '));
  t.not(getPriority(), 10);
});
