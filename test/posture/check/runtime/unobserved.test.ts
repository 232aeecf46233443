import t from 'tap';
import { unobserved } from '../../../../posture/check/runtime/unobserved.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { Unobserved } from '../../../../posture/fact/unobserved.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const SOURCE = 'processes and container engines';

function entry(overrides: Partial<Unobserved> = {}): Unobserved {
  return {
    kind: 'container',
    id: 'ab'.repeat(32),
    name: 'default/web',
    imageId: '',
    pid: 812,
    engine: '',
    sinceMs: Date.UTC(2026, 10, 25, 11, 0, 0),
    reason: 'it runs, but no container engine that was asked knows it',
    ...overrides,
  };
}

const list = (...entries: readonly Unobserved[]): Partial<Facts> => ({ unobserved: seen(entries, SOURCE) });
const engine = entry({ kind: 'engine', id: 'dockerd pid 7', name: 'dockerd', pid: 7, reason: 'it runs' });
const many = Array.from({ length: 30 }, (_, index) =>
  entry({ id: String(index).padStart(3, '0'), pid: 0, engine: 'unix:///x' }),
);

judgeNodes(t, unobserved, [
  { name: 'nothing', facts: list(), verdict: 'pass', seen: ['no other container or engine'] },
  { name: 'nothing was looked for', facts: { unobserved: absent(SOURCE) }, verdict: 'pass' },
  {
    name: 'a container and an engine: the engine first',
    facts: list(entry(), engine),
    verdict: 'fail',
    seen: [
      'engine dockerd: it runs',
      'container default/web: it runs, but no container engine that was asked knows it',
    ],
    sources: ['/proc/7/cgroup', '/proc/812/cgroup'],
  },
  { name: 'an image is not a container', facts: list(entry({ kind: 'image' })), verdict: 'pass' },
  {
    name: 'one that its engine does not tell about',
    facts: list(entry({ pid: 0, engine: 'unix:///run/docker.sock', reason: 'no answer within 5000 ms' })),
    verdict: 'fail',
    sources: ['unix:///run/docker.sock'],
  },
  {
    name: 'processes are hidden',
    facts: list(entry({ kind: 'engine', id: '/proc', reason: 'hidepid' })),
    verdict: 'unknown',
  },
  {
    name: 'processes are hidden, and a container is not inspected',
    facts: list(entry({ kind: 'engine', id: '/proc' }), entry()),
    verdict: 'fail',
    sources: ['/proc/812/cgroup'],
  },
  { name: 'nothing is known', facts: { unobserved: unreadable('/proc', 'hidepid') }, verdict: 'unknown' },
]);

void t.test('many are counted', (t) => {
  const { verdict, evidence } = unobserved.judge({ unobserved: seen(many, SOURCE) } as Facts);
  t.equal(verdict, 'fail');
  t.equal(evidence.length, 21);
  t.equal(evidence.at(-1)?.seen, 'and 10 more');
  t.end();
});
