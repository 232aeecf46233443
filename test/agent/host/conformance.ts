import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import t from 'tap';
import type { Test } from 'tap';
import { buildFixtureTree } from './fixture-tree.ts';
import type { Host, ReadResult, ReadRequest, HostStat, Read, ReadFailureCode } from '../../../agent/host/host.ts';

/** One question to a host, and what any implementation must answer. Paths are those of the fixture tree. */
interface Question {
  readonly title: string;
  readonly ask: (host: Host, at: (path: string) => string) => Promise<Read<unknown>>;
  readonly want: Want;
  /** The same question for `readMany`; none for `stat`. */
  readonly question?: (at: (path: string) => string) => ReadRequest;
}

type Want = { readonly code: ReadFailureCode } | { readonly value: unknown } | { readonly stat: Partial<HostStat> };

const read = (path: string, want: Want, maxBytes?: number): Question => ({
  title: `readFile ${JSON.stringify(path.slice(0, 60))}${maxBytes === undefined ? '' : ` of at most ${String(maxBytes)}`}`,
  ask: (host, at) => host.readFile(at(path), maxBytes === undefined ? undefined : { maxBytes }),
  want,
  question: (at) => ({ op: 'readFile', path: at(path), maxBytes }),
});
const list = (path: string, want: Want, maxEntries?: number): Question => ({
  title: `list ${path}${maxEntries === undefined ? '' : ` of at most ${String(maxEntries)}`}`,
  ask: (host, at) => host.list(at(path), maxEntries === undefined ? undefined : { maxEntries }),
  want,
  question: (at) => ({ op: 'list', path: at(path), maxEntries }),
});
const stat = (path: string, want: Want): Question => ({
  title: `stat ${path}`,
  ask: (host, at) => host.stat(at(path)),
  want,
});
const readLink = (path: string, want: Want): Question => ({
  title: `readLink ${path}`,
  ask: (host, at) => host.readLink(at(path)),
  want,
  question: (at) => ({ op: 'readLink', path: at(path) }),
});

const text = (value: string): Want => ({ value: Buffer.from(value) });
const PLAIN = text('colour = blue\n');
const isRoot = process.getuid?.() === 0;

const QUESTIONS: readonly Question[] = [
  read('/etc/app/plain.conf', PLAIN),
  read('/etc/app/nothing.conf', text('')),
  read('/etc/app/bytes.bin', { value: Buffer.of(0x00, 0xff, 0xfe, 0x80, 0x0a) }),
  read('//etc/./app//plain.conf', PLAIN),
  read('/etc/app/../app/plain.conf', PLAIN),
  read('/etc/none.conf', { code: 'absent' }),
  read('/etc/app/plain.conf/below', { code: 'absent' }),

  read('/limit/1024', { value: Buffer.alloc(1024, 0x61) }, 1024),
  read('/limit/1025', { code: 'tooLarge' }, 1024),
  read('/limit/over-default', { code: 'tooLarge' }),

  read('/links/relative', PLAIN),
  read('/links/absolute', PLAIN),
  read('/links/winding', PLAIN),
  read('/links/directory/plain.conf', PLAIN),
  read('/links/directory/../app/plain.conf', PLAIN),
  read('/links/dangling', { code: 'absent' }),
  read('/links/self', { code: 'loop' }),
  read('/links/first', { code: 'loop' }),
  read('/links/first/below', { code: 'loop' }),
  read('/links/link-39', PLAIN),
  read('/links/link-40', { code: 'loop' }),

  read('/etc/app', { code: 'notRegular' }),
  read('/kinds/fifo', { code: 'notRegular' }),
  read('/kinds/socket', { code: 'notRegular' }),
  ...(isRoot ? [read('/kinds/device', { code: 'notRegular' })] : []),

  read('/etc/app\0/plain.conf', { code: 'failed' }),
  read(`/${'n'.repeat(256)}`, { code: 'failed' }),
  read(`/${'n/'.repeat(3000)}`, { code: 'failed' }),

  read('/names/a\udcffé', text('odd name\n')),
  read('/names/\u001b[31mred<b>', text('loud name\n')),
  read('/names/ünïcödé 😀', text('fine name\n')),
  list('/names', { value: ['\u001b[31mred<b>', 'a\udcffé', 'ünïcödé 😀'] }),

  list('/etc/app', { value: ['bytes.bin', 'empty', 'nothing.conf', 'plain.conf'] }),
  list('/etc/app/empty', { value: [] }),
  list('/links/directory', { value: ['bytes.bin', 'empty', 'nothing.conf', 'plain.conf'] }),
  list('/etc/app', { code: 'tooLarge' }, 3),
  list('/many', { code: 'tooLarge' }),
  list('/etc/app/plain.conf', { code: 'absent' }),
  list('/etc/none', { code: 'absent' }),
  list('/links/self', { code: 'loop' }),

  stat('/modes/4755', { stat: { kind: 'file', mode: 0o4755, size: 0, realPath: '/modes/4755' } }),
  stat('/modes/0600', { stat: { kind: 'file', mode: 0o600, size: 3, uid: process.getuid?.() ?? -1 } }),
  stat('/modes/1777', { stat: { kind: 'directory', mode: 0o1777 } }),
  stat('/links/absolute', { stat: { kind: 'file', realPath: '/etc/app/plain.conf' } }),
  stat('/links/directory/empty', { stat: { kind: 'directory', realPath: '/etc/app/empty' } }),
  stat('/kinds/fifo', { stat: { kind: 'fifo' } }),
  stat('/kinds/socket', { stat: { kind: 'socket' } }),
  ...(isRoot ? [stat('/kinds/device', { stat: { kind: 'device' } })] : []),
  stat('/links/dangling', { code: 'absent' }),
  stat('/links/second', { code: 'loop' }),

  readLink('/links/relative', { value: '../etc/app/plain.conf' }),
  readLink('/links/self', { value: 'self' }),
  readLink('/etc/app/plain.conf', { code: 'failed' }),
  readLink('/etc/none', { code: 'absent' }),
  readLink('/', { code: 'failed' }),
];

/** A host under test over a fixture tree, and where that tree stands in its eyes. */
export interface HostUnderTest {
  readonly host: Host;
  readonly at: (path: string) => string;
}

/** Asks every question of the suite once, for an implementation that answers from what was asked before. */
export async function askEverything(host: Host, at: (path: string) => string): Promise<void> {
  for (const { ask } of QUESTIONS) await ask(host, at);
}

/** The suite that every implementation of the `Host` port passes. `open` gets the directory of the fixture tree. */
export function hostConformance(
  name: string,
  treeIsRoot: boolean,
  open: (directory: string) => Promise<HostUnderTest>,
): void {
  void t.test(name, async (t) => {
    const tree = await buildFixtureTree(treeIsRoot);
    t.teardown(() => tree.remove());
    const { host, at } = await open(tree.directory);
    for (const question of QUESTIONS) {
      const answer = await question.ask(host, at);
      check(t, question, answer, at);
    }
    await t.test(
      'readMany: the answers of the single questions, in order; the very same where nothing changed',
      async (t) => {
        const wanted: Read<unknown>[] = [];
        const questions: ReadRequest[] = [];
        for (const { ask, question } of QUESTIONS) {
          if (question === undefined) continue;
          questions.push(question(at));
          wanted.push(await ask(host, at));
        }
        const answers = await host.readMany(questions);
        t.strictSame(answers, wanted);
        t.equal(await host.readMany(questions, answers), answers);
        const turned = await host.readMany(questions.toReversed(), answers);
        t.strictSame(turned, wanted.toReversed(), 'what was answered before is no answer to another question');
        t.same(await host.readMany([]), []);
        const [first] = answers;
        t.equal((await host.readMany(questions.slice(0, 2), [first as ReadResult]))[0], first, 'also one by one');
      },
    );
    await t.test('the file system of a path, links followed; a recording has none', async (t) => {
      const [direct, linked] = [await host.fileSystem(at('/etc/app')), await host.fileSystem(at('/links/directory'))];
      if (direct.ok) {
        const [totalBytes, totalFiles] = execFileSync('df', ['--output=size,itotal', '-B1', tree.directory])
          .toString()
          .trim()
          .split('\n')
          .slice(-1)
          .flatMap((line) => line.trim().split(/\s+/))
          .map(Number);
        t.match(direct.value, { totalBytes, totalFiles });
        t.match(linked, { ok: true, value: { totalBytes, totalFiles } });
        t.match(await host.fileSystem(at('/etc/none')), { ok: false, code: 'absent' });
        t.match(await host.fileSystem(at('/links/self')), { ok: false, code: 'loop' });
      } else t.match([direct, linked], [{ code: 'notRecorded' }, { code: 'notRecorded' }]);
    });
    await t.test('watch can be ended, and nothing is asked of it', (t) => {
      const stop = host.watch([at('/etc/app/plain.conf'), at('/none/yet')], () => t.fail('nothing changed'));
      stop();
      stop();
      t.end();
    });
  });
}

function check(t: Test, { title, want }: Question, answer: Read<unknown>, at: (path: string) => string): void {
  if ('code' in want) {
    t.match(answer, { ok: false, code: want.code, reason: /\S/ }, title);
  } else if ('value' in want) {
    t.strictSame(answer, { ok: true, value: want.value }, title);
  } else {
    const { realPath, ...others } = want.stat;
    const expected = realPath === undefined ? others : { ...others, realPath: at(realPath) };
    t.match(answer, { ok: true, value: expected }, title);
  }
}
