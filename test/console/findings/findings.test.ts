import { compareFindings } from '../../../api/finding-list.ts';
import fc from 'fast-check';
import t from 'tap';
import type { FleetFinding, FindingEvent } from '../../../api/finding.ts';
import { matches, NO_FILTER } from '../../../console/filter.ts';
import { appendPage, applyEvent, EMPTY_LIST, matchCount } from '../../../console/findings/finding-list.ts';
import type { FindingList } from '../../../console/findings/finding-list.ts';
import { ROW_HEIGHTS, rowAfterKey, rowWindow, scrollToRow } from '../../../console/findings/window.ts';
import { SEVERITIES, VERDICTS } from '../../../posture/verdict.ts';
import { happened, shown } from '../finding.ts';

const ROW_HEIGHT = ROW_HEIGHTS.comfortable;

const list = (...findings: readonly FleetFinding[]): FindingList => ({
  findings,
  cursor: null,
  total: findings.length,
  isExact: true,
});
const on = (id: string, over: Partial<FleetFinding> = {}): FleetFinding =>
  shown({ subject: { kind: 'container', id, name: id }, ...over });
const names = ({ findings }: FindingList): readonly string[] => findings.map(({ subject }) => subject.name);

void t.test('pages are put together without doubles', async (t) => {
  const first = appendPage(EMPTY_LIST, { findings: [on('a'), on('b')], cursor: 'c', total: 4 });
  t.match(first, { cursor: 'c', total: 4 });
  const second = appendPage(first, { findings: [on('b'), on('c')], cursor: null, total: null });
  t.strictSame([names(second), second.cursor, second.total], [['a', 'b', 'c'], null, 4]);
  const uncounted = appendPage(EMPTY_LIST, { findings: [on('a')], cursor: 'c', total: null });
  t.strictSame([uncounted.total, uncounted.isExact, matchCount(uncounted)], [1, false, '1 or more matches']);
  const whole = appendPage(uncounted, { findings: [on('b')], cursor: null, total: null });
  t.strictSame([whole.total, whole.isExact, matchCount(whole)], [2, true, '2 matches']);
});

void t.test('a change moves, adds and removes', async (t) => {
  const failing = { ...NO_FILTER, verdicts: ['fail' as const] };
  const start = list(on('a'), on('c'));
  t.strictSame(names(applyEvent(start, happened('opened', on('b')), failing)), ['a', 'b', 'c']);
  const worse = happened('changed', on('c', { severity: 'critical' }), 'fail');
  t.strictSame(names(applyEvent(start, worse, failing)), ['c', 'a'], 'worst first');
  const mended = applyEvent(start, happened('resolved', on('a', { verdict: 'pass' }), 'fail'), failing);
  t.strictSame([names(mended), mended.total], [['c'], 1]);
  const gone = applyEvent(start, happened('resolved', on('a'), 'fail'), NO_FILTER);
  t.strictSame([names(gone), gone.total], [['c'], 1], 'resolved, but still says fail: gone with its subject');
  const kept = applyEvent(start, happened('resolved', on('a', { verdict: 'pass' }), 'fail'), NO_FILTER);
  t.strictSame([names(kept), kept.total], [['c', 'a'], 2], 'a list of all verdicts keeps what is mended');
  const other = applyEvent(start, happened('opened', on('b', { check: 'x.y' })), {
    ...failing,
    checks: ['ssh.root-login'],
  });
  t.equal(other.total, 2, 'no match');
  const partly: FindingList = { ...start, cursor: 'more', total: 50 };
  const beyond = applyEvent(partly, happened('opened', on('z')), failing);
  t.strictSame([names(beyond), beyond.total], [['a', 'c'], 51], 'beyond what is loaded it only counts');
});

void t.test('after any changes the list is what the API would list', async (t) => {
  const finding = fc
    .record({
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      verdict: fc.constantFrom(...VERDICTS),
      severity: fc.constantFrom(...SEVERITIES),
    })
    .map(({ name, verdict, severity }) => on(name, { verdict, severity }));
  const filter = fc.constantFrom(
    NO_FILTER,
    { ...NO_FILTER, verdicts: ['fail' as const] },
    { ...NO_FILTER, severities: ['critical' as const, 'high' as const] },
  );
  fc.assert(
    fc.property(fc.array(finding, { maxLength: 30 }), filter, (changes, filter) => {
      const fleet = new Map<string, FleetFinding>();
      let state = list();
      for (const next of changes) {
        const event = eventOf(fleet.get(next.uid), next);
        fleet.set(next.uid, next);
        if (event === undefined) return;
        state = applyEvent(state, event, filter);
        const expected = [...fleet.values()].filter((one) => matches(filter, one)).toSorted(compareFindings);
        t.strictSame(state.findings, expected);
      }
    }),
  );
});

/** As the collector makes events: only what is open, or was, has one. */
function eventOf(before: FleetFinding | undefined, after: FleetFinding): FindingEvent | undefined {
  const isOpen = (one: FleetFinding | undefined): boolean => ['fail', 'unknown', 'manual'].includes(one?.verdict ?? '');
  if (!isOpen(before) && !isOpen(after)) return undefined;
  const action = isOpen(after) ? (isOpen(before) ? 'changed' : 'opened') : 'resolved';
  return happened(action, after, before?.verdict ?? null);
}

void t.test('the rows in view are drawn, whatever is scrolled', async (t) => {
  fc.assert(
    fc.property(fc.nat({ max: 10_000 }), fc.nat({ max: 700_000 }), fc.nat({ max: 2000 }), (rows, top, height) => {
      const { from, to } = rowWindow(top, height, rows, ROW_HEIGHT);
      t.ok(from >= 0 && to <= rows && to - from <= Math.ceil(height / ROW_HEIGHT) + 18);
      const first = Math.floor(top / ROW_HEIGHT);
      if (first < rows) t.ok(from <= first && to > first);
    }),
  );
  t.equal(scrollToRow(3, { scrollTop: 0, clientHeight: 600 }, ROW_HEIGHT), undefined);
  t.equal(scrollToRow(3, { scrollTop: 500, clientHeight: 600 }, ROW_HEIGHT), 180, 'above: to its top');
  t.equal(
    scrollToRow(20, { scrollTop: 0, clientHeight: 600 }, ROW_HEIGHT),
    21 * 60 - 600,
    'below: until its end is seen',
  );
});

void t.test('keys move within the list', async (t) => {
  t.strictSame(
    ['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End', 'a'].map((key) => rowAfterKey(key, 5, 100, 10)),
    [6, 4, 14, 0, 0, 99, undefined],
  );
  t.equal(rowAfterKey('j', 5, 100, 10), 6);
  t.equal(rowAfterKey('k', 5, 100, 10), 4);
  t.equal(rowAfterKey('ArrowUp', 0, 100, 600), 0);
  t.equal(rowAfterKey('ArrowDown', 99, 100, 600), 99);
  t.equal(rowAfterKey('End', 0, 0, 600), undefined);
});
