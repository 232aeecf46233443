import t from 'tap';
import { heldSockets } from '../../../../agent/inspector/proc/process-table.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

const stat = (ticks: number): string =>
  `812 (dockerd) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 ${String(ticks)} 1 2`;

const PROCESS: Tree = {
  '/proc/812/stat': stat(9127),
  '/proc/812/fd/0': '-> /dev/null',
  '/proc/812/fd/7': '-> socket:[501]',
  '/proc/812/fd/9': '-> socket:[502]',
};

t.test('those that a process holds, looked for once', async (t) => {
  const host = treeHost(t, PROCESS);
  let lists = 0;
  const access = {
    host: {
      ...host,
      list: (path: string) => {
        lists += 1;
        return host.list(path);
      },
    },
    cache: createParseCache(),
  };
  const held = (...inodes: number[]): Promise<unknown> => heldSockets(access, 'test', 812, new Set(inodes));
  t.same(await held(501, 777), { ok: true, value: new Set([501]) });
  t.same(await held(501, 777), { ok: true, value: new Set([501]) });
  t.same(await held(777), { ok: true, value: new Set() });
  t.equal(lists, 1, 'the descriptors are known');
  t.same(await held(501, 777), { ok: true, value: new Set([501]) });
  t.equal(lists, 2, 'one that was not asked for in between is looked for again');
  t.same(await held(501, 502), { ok: true, value: new Set([501, 502]) }, 'a socket that was not asked for before');
  t.equal(lists, 3);
  host.replace({ '/proc/812/fd/7': '-> /tmp/log' });
  t.same(await held(501, 502), { ok: true, value: new Set([502]) }, 'closed, and its number given to a file');
  host.replace({
    '/proc/812/stat': stat(9999),
    '/proc/812/fd/9': '-> socket:[600]',
    '/proc/812/fd/0': '-> socket:[501]',
  });
  t.same(await held(501, 502), { ok: true, value: new Set([501]) }, 'another process with the same number');
});

t.test('descriptors that are not for us', async (t) => {
  const host = treeHost(t, { '/proc/812/stat': stat(9127) });
  t.match(await heldSockets({ host, cache: createParseCache() }, 'test', 812, new Set([1])), { ok: false });
});
