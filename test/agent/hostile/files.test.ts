import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { observeAll } from '../../../agent/inspector/observe.ts';
import { createRecordingBuffer } from '../../../agent/record/recording-buffer.ts';
import { recordHost } from '../../../agent/record/record-host.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { FACT_SCHEMAS } from '../../../posture/fact/facts.ts';
import type { FactName, Facts } from '../../../posture/fact/facts.ts';
import type { FindingSet } from '../../../posture/delta.ts';
import { judgeAll } from '../../../posture/judge.ts';
import { serveDocker } from '../../fixture/inspector/docker-api.ts';
import { accessOf, WEAK_ANSWERS, WEAK_NODE, writeTree } from './weak-node.ts';

const SECRET = 'secret-from-outside-of-the-root';
const MAX_ROUND_MS = 15_000;
const isRoot = process.getuid?.() === 0;

type Put = (native: string, outside: string) => unknown;

/** What can stand in the place of a file. Each kind has its turn at each path; those that look alike to a reader share. */
const TURNS: readonly Readonly<Record<string, Put>>[] = [
  {
    fifo: (native) => execFileSync('mkfifo', [native]),
    socket: async (native) => {
      const server = createServer().listen(native);
      await once(server, 'listening');
      return () => server.close();
    },
    device: (native) => (isRoot ? execFileSync('mknod', [native, 'c', '1', '5']) : mkdirSync(native)),
    directory: (native) => mkdirSync(native),
  },
  {
    'link to itself': (native) => symlinkSync(native.slice(native.lastIndexOf('/') + 1), native),
    'link out of the root': (native, outside) => symlinkSync(join(outside, 'secret'), native),
    'link that climbs out': (native, outside) => symlinkSync(join('../'.repeat(30), outside, 'secret'), native),
    'link into a process': (native) => symlinkSync('/proc/self/environ', native),
  },
  {
    'too large': (native) => writeFileSync(native, Buffer.alloc(20 * 1024 * 1024, 'a ')),
    'no UTF-8': (native) => writeFileSync(native, Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x0a, 0xc3, 0x28, 0xed, 0xa0])),
    'control characters': (native) => writeFileSync(native, '\u001b]0;owned\u0007\u202e<script>\r\n\0'.repeat(100)),
    nothing: (native) => writeFileSync(native, ''),
  },
];

interface Round {
  readonly facts: Facts;
  readonly findings: FindingSet;
}

void t.test('in the place of every file that is read stands something else', { timeout: 110_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plm-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const [root, outside] = [join(directory, 'root'), join(directory, 'outside')];
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), SECRET);
  writeTree(root, WEAK_NODE);
  const runtime = await serveDocker(t, WEAK_ANSWERS);
  const look = async (): Promise<Round> => {
    const facts = await observeAll(accessOf(createLinuxHost({ root }), runtime));
    return { facts, findings: judgeAll(CHECKS, facts) };
  };

  const notes = createRecordingBuffer();
  await observeAll(accessOf(recordHost(createLinuxHost({ root }), notes), runtime));
  const asked = [...notes.all()].filter(({ result }) => result.op === 'readFile' && result.code === null);
  const paths = asked.map(({ result }) => result.target);
  t.ok(paths.length > 40, `${String(paths.length)} files are read`);
  const before = await look();
  t.ok([...before.findings.values()].filter(({ verdict }) => verdict === 'fail').length > 40, 'most is wrong on it');

  let count = 0;
  for (const path of paths)
    for (const turn of TURNS) {
      const kinds = Object.entries(turn);
      const [kind, put] = kinds[(count += 1) % kinds.length] ?? kinds[0] ?? ['', () => undefined];
      const what = `${path} is ${kind}`;
      const undo = await replace(join(root, path), put, outside);
      const startedMs = performance.now();
      const after = await look();
      t.ok(performance.now() - startedMs < MAX_ROUND_MS, `${what}: in time`);
      undo();
      const wrong = problemsOf(saysOtherwise(path, kind) ? after : before, after);
      t.same(wrong, [], what);
    }
  const again = await look();
  t.same(
    [...again.findings.values()].map(({ id, verdict }) => `${id} ${verdict}`),
    [...before.findings.values()].map(({ id, verdict }) => `${id} ${verdict}`),
    'and all is as it was',
  );
});

/** Other words can truly be better ones; and a daemon.json that is a link to nothing is none: dockerd has its defaults. */
function saysOtherwise(path: string, kind: string): boolean {
  if (path === '/etc/docker/daemon.json') return kind.startsWith('link') || kind === 'nothing';
  // sshd reads a directory as an empty configuration, also one that is included.
  if (path.startsWith('/etc/ssh/sshd_config') && kind === 'directory') return true;
  return ['no UTF-8', 'control characters', 'nothing'].includes(kind);
}

async function replace(native: string, put: Put, outside: string): Promise<() => void> {
  const aside = `${native}.aside`;
  renameSync(native, aside);
  const close = await put(native, outside);
  return () => {
    if (typeof close === 'function') (close as () => void)();
    rmSync(native, { recursive: true, force: true });
    renameSync(aside, native);
  };
}

/** What may never come of a file, whatever it is. */
function problemsOf(before: Round, after: Round): readonly string[] {
  const problems: string[] = [];
  for (const [name, fact] of Object.entries(after.facts)) {
    const parsed = FACT_SCHEMAS[name as FactName].parse(fact);
    if (!parsed.ok) problems.push(`fact ${name}: ${parsed.problem}`);
  }
  const text = JSON.stringify([after.facts, [...after.findings.values()]]);
  if (text.includes(SECRET)) problems.push('a file outside of the root was read');
  if (text.includes('PATH=')) problems.push('the environment of a process was read');
  for (const [id, { verdict, reason, evidence }] of after.findings) {
    if (reason?.includes('internal error in this check') === true) problems.push(`${id}: ${reason}`);
    if (verdict === 'pass' && before.findings.get(id)?.verdict === 'fail')
      problems.push(`${id} passes now: ${JSON.stringify(evidence)}`);
  }
  return problems;
}
