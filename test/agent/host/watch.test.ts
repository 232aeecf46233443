import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import type { LinuxHostOptions } from '../../../agent/host/linux.ts';
import type { Test } from 'tap';

interface Stage {
  readonly root: string;
  readonly at: (path: string) => string;
  /** Does something and waits until the path was told; fails (by the time limit of the test) if it never is. */
  readonly toldAfter: (path: string, change: () => void) => Promise<void>;
}

/** A host root in which everything is old, watched. */
async function watchTree(t: Test, paths: string[], options: LinuxHostOptions = {}): Promise<Stage> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'plimsoll-watch-')));
  const at = (path: string): string => join(root, path);
  mkdirSync(at('etc/app'), { recursive: true });
  writeFileSync(at('etc/app/conf'), 'old\n');
  symlinkSync('/etc/app/conf', at('etc/link'));
  const told = new Map<string, number>();
  const waiting = new Map<string, () => void>();
  const host = createLinuxHost({ root, burstMs: 10, ...options });
  const stop = host.watch(paths, (path) => {
    told.set(path, (told.get(path) ?? 0) + 1);
    waiting.get(path)?.();
  });
  t.teardown(() => {
    stop();
    rmSync(root, { recursive: true, force: true });
  });
  // The tree was made a moment ago, so each path that leads somewhere is told once: wait for that.
  await Promise.all(paths.map((path) => new Promise<void>((resolve) => waiting.set(path, resolve))));
  return {
    root,
    at,
    toldAfter: async (path, change) => {
      const done = new Promise<void>((resolve) => waiting.set(path, resolve));
      change();
      await done;
      t.pass(`told of ${path}`);
    },
  };
}

void t.test('a file that is there', async (t) => {
  const { at, toldAfter } = await watchTree(t, ['/etc/app/conf']);
  const path = '/etc/app/conf';
  await toldAfter(path, () => appendFileSync(at(path), 'more\n'));
  await toldAfter(path, () => chmodSync(at(path), 0o600));
  await toldAfter(path, () => {
    writeFileSync(at('etc/app/.conf.swp'), 'new\n');
    renameSync(at('etc/app/.conf.swp'), at(path));
  });
  await toldAfter(path, () => appendFileSync(at(path), 'after an editor replaced it\n'));
  await toldAfter(path, () => unlinkSync(at(path)));
  await toldAfter(path, () => writeFileSync(at(path), 'back\n'));
  linkSync(at(path), at('etc/other-name'));
  await toldAfter(path, () => appendFileSync(at('etc/other-name'), 'by another name\n'));
});

void t.test('directories on the way', async (t) => {
  const { at, toldAfter } = await watchTree(t, ['/etc/app/conf']);
  const path = '/etc/app/conf';
  await toldAfter(path, () => {
    mkdirSync(at('etc/next'));
    writeFileSync(at('etc/next/conf'), 'next\n');
    renameSync(at('etc/app'), at('etc/before'));
    renameSync(at('etc/next'), at('etc/app'));
  });
  await toldAfter(path, () => appendFileSync(at(path), 'in the new directory\n'));
  await toldAfter(path, () => rmSync(at('etc'), { recursive: true }));
  await toldAfter(path, () => {
    mkdirSync(at('etc/app'), { recursive: true });
    writeFileSync(at(path), 'from nothing\n');
  });
  await toldAfter(path, () => appendFileSync(at(path), 'and on\n'));
});

void t.test('what does not exist yet', async (t) => {
  const { at, toldAfter } = await watchTree(t, ['/etc/lib/new/conf']);
  const path = '/etc/lib/new/conf';
  await toldAfter(path, () => mkdirSync(at('etc/lib')));
  await toldAfter(path, () => {
    mkdirSync(at('etc/lib/new'));
    writeFileSync(at(path), 'there\n');
  });
  await toldAfter(path, () => appendFileSync(at(path), 'more\n'));
});

void t.test('links are followed inside the root', async (t) => {
  const { at, toldAfter } = await watchTree(t, ['/etc/link']);
  const path = '/etc/link';
  await toldAfter(path, () => appendFileSync(at('etc/app/conf'), 'at the target\n'));
  await toldAfter(path, () => {
    writeFileSync(at('etc/elsewhere'), '');
    symlinkSync('elsewhere', at('etc/link.new'));
    renameSync(at('etc/link.new'), at('etc/link'));
  });
  await toldAfter(path, () => appendFileSync(at('etc/elsewhere'), 'at the new target\n'));
});

void t.test('a directory tells of its entries', async (t) => {
  const { at, toldAfter } = await watchTree(t, ['/etc/app']);
  await toldAfter('/etc/app', () => writeFileSync(at('etc/app/another'), ''));
  await toldAfter('/etc/app', () => unlinkSync(at('etc/app/another')));
  await toldAfter('/etc/app', () => chmodSync(at('etc/app'), 0o700));
});

void t.test('many changes are few calls', async (t) => {
  const root = realpathSync(t.testdir({ conf: 'old\n' }));
  const longAgo = new Date(0);
  utimesSync(join(root, 'conf'), longAgo, longAgo);
  const host = createLinuxHost({ root, burstMs: 50 });
  let calls = 0;
  await new Promise<void>((resolve) => {
    const stop = host.watch(['/conf'], () => {
      calls += 1;
      stop();
      resolve();
    });
    for (let count = 0; count < 200; count += 1) appendFileSync(join(root, 'conf'), 'x');
  });
  t.equal(calls, 1);
});

void t.test('over the limit of watches nothing is thrown, and it is told', async (t) => {
  const root = realpathSync(t.testdir({ a: { conf: '' }, b: { conf: '' } }));
  const warnings: unknown[] = [];
  const quiet = (): void => {};
  const log = { debug: quiet, info: quiet, error: quiet, warn: (fields: unknown) => void warnings.push(fields) };
  const host = createLinuxHost({ root, burstMs: 5, maxWatches: 2, log });
  await new Promise<void>((resolve) => {
    const told = new Set<string>();
    const stop = host.watch(['/a/conf', '/b/conf', 'relative', '/with\0zero'], (path) => {
      told.add(path);
      if (told.size === 2) {
        stop();
        resolve();
      }
    });
  });
  t.match(warnings, [{ problem: /limit/ }]);
});

void t.test('nothing keeps the process alive, nothing is told after the end', (t) => {
  const program = `
    import { createLinuxHost } from ${JSON.stringify(new URL('../../../agent/host/linux.ts', import.meta.url).href)};
    const stopping = new AbortController();
    const host = createLinuxHost({ signal: stopping.signal });
    host.watch(['/etc/passwd', '/none/at/all', '/proc/self/status'], () => console.log('told'));
    host.watch(['/etc'], () => console.log('told'))();
    await host.readFile('/etc/passwd');
    setTimeout(() => stopping.abort(), 50);
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  t.match({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  t.end();
});

void t.test('whoever makes events without end does not stop this process', { timeout: 60_000 }, async (t) => {
  const { at, toldAfter } = await watchTree(t, ['/etc/app/conf']);
  writeFileSync(at('etc/app/a'), '');
  writeFileSync(at('etc/app/b'), '');
  // Two names in turn: the kernel joins events that are the same.
  const flood = `const { utimesSync } = require('node:fs');
    for (;;) for (const name of ['a', 'b']) utimesSync(process.argv[1] + '/' + name, 1, 1);`;
  const writers = [1, 2].map(() => spawn(process.execPath, ['--eval', flood, at('etc/app')], { stdio: 'ignore' }));
  const stop = (): void => writers.forEach((writer) => void writer.kill('SIGKILL'));
  t.teardown(stop);
  const untilMs = performance.now() + 5000;
  let [lastMs, longestMs] = [performance.now(), 0];
  while (performance.now() < untilMs) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  }
  stop();
  t.ok(longestMs < 2500, `timers wait for ${String(Math.round(longestMs))} ms at the most`);
  await toldAfter('/etc/app/conf', () => appendFileSync(at('etc/app/conf'), 'x'));
});
