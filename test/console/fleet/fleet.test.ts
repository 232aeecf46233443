import t from 'tap';
import type { HistoryEntry } from '../../../api/finding.ts';
import type { Summary } from '../../../api/node.ts';
import type { Trend } from '../../../api/trend.ts';
import { announcement, changeOfEvent, changeOfNode } from '../../../console/fleet/change.ts';
import { NO_FLEET, reduceFleet, sortNodes, withHistory, withNodes } from '../../../console/fleet/fleet.ts';
import { TREND_RANGES, trendColumns, trendRows, trendSentence } from '../../../console/fleet/trend.ts';
import { fleetSentence, headline, loadOf } from '../../../console/overview/headline.ts';
import { worstGroups } from '../../../console/overview/worst-groups.ts';
import { fleetNode, happened, shown } from '../finding.ts';

const ZERO = { critical: 0, high: 0, medium: 0, low: 0, info: 0 };

void t.test('live items change the fleet', async (t) => {
  const fleet = withNodes(NO_FLEET, [fleetNode({ counts: { ...fleetNode().counts, failures: { ...ZERO, high: 3 } } })]);
  const beat = reduceFleet(fleet, { type: 'node', node: fleetNode({ lastSeenMs: 9000 }) }, 9000);
  t.match(beat.nodes, [{ lastSeenMs: 9000, counts: { failures: { high: 3 } } }], 'counts stay');
  t.equal(beat.changes.length, 0, 'a heartbeat is no news');
  const lost = reduceFleet(beat, { type: 'node', node: fleetNode({ connected: false, offlineSinceMs: 9500 }) }, 9999);
  t.match(lost.changes, [{ type: 'node', connected: false, atMs: 9500 }]);
  const back = reduceFleet(lost, { type: 'node', node: fleetNode() }, 10_000);
  t.match(back.changes, [{ connected: true, atMs: 10_000 }, { connected: false }]);
  const removed = reduceFleet(back, { type: 'nodeRemoved', nodeId: 'n1' }, 10_500);
  t.strictSame(removed, { ...back, nodes: [] }, 'there is no such node any more');
  const more = reduceFleet(back, { type: 'node', node: fleetNode({ id: 'n2', name: 'web-2' }) }, 11_000);
  t.match(more.nodes, [{ id: 'n1' }, { id: 'n2', counts: undefined }], 'no count that was not read');
  t.notOk(reduceFleet(NO_FLEET, { type: 'node', node: fleetNode() }, 0).isRead, 'one node is not the fleet');
  const changed = reduceFleet(more, { type: 'finding', event: happened('opened', shown()) }, 12_000);
  t.match(changed.changes[0], { type: 'finding', action: 'opened', findingId: 'ssh.root-login/daemon/sshd' });
  t.equal(reduceFleet(changed, { type: 'gap', reason: '' }, 0), changed);
  let many = changed;
  for (let position = 2; position < 600; position += 1)
    many = reduceFleet(many, { type: 'finding', event: happened('changed', shown(), 'fail', position) }, 0);
  t.equal(many.changes.length, 500, 'bounded');
});

void t.test('the history comes after what the page saw itself', async (t) => {
  const { uid, check, nodeId } = shown();
  const entry: HistoryEntry = {
    position: 1,
    atMs: 2000,
    action: 'opened',
    cause: null,
    nodeId,
    findingUid: uid,
    check,
    subjectKind: 'daemon',
    subjectName: 'sshd',
    verdict: 'fail',
    severity: 'medium',
    waiver: null,
  };
  const early = withHistory(NO_FLEET, [entry, { ...entry, position: 0, atMs: 1000 }]);
  t.match(early.changes, [{ atMs: 2000, nodeName: 'n1' }, { atMs: 1000 }], 'by its id while nothing else is known');
  const named = withHistory(withNodes(early, [fleetNode()]), [entry]);
  t.match(named.changes, [{ nodeName: 'web-1', findingId: undefined }]);
  const seen = reduceFleet(named, { type: 'finding', event: happened('opened', shown()) }, 0);
  t.equal(withHistory(seen, [entry]).changes.length, 1, 'the same event once');
});

void t.test('nodes that need attention come first', async (t) => {
  const failing = (name: string, critical: number, high: number) =>
    fleetNode({ id: name, name, counts: { ...fleetNode().counts, failures: { ...ZERO, critical, high } } });
  const nodes = [
    failing('b', 0, 9),
    failing('c', 1, 0),
    failing('a', 0, 9),
    fleetNode({ id: 'd', name: 'd', connected: false }),
  ];
  t.strictSame(
    sortNodes(nodes).map(({ name }) => name),
    ['d', 'c', 'a', 'b'],
  );
});

void t.test('changes are announced in one sentence', async (t) => {
  const critical = happened('opened', shown({ severity: 'critical', check: 'container.privileged' }), null, 2);
  const changes = [
    changeOfEvent(happened('opened', shown())),
    changeOfEvent(critical),
    changeOfEvent(happened('resolved', shown({ verdict: 'pass' }), 'fail', 3)),
    changeOfNode(fleetNode({ connected: false }), 0),
  ];
  t.equal(
    announcement(changes),
    '2 findings opened; 1 finding resolved; worst: critical, container.privileged for sshd on web-1; node web-1 went offline',
  );
});

void t.test('the trend as columns, rows and words', async (t) => {
  const points = Array.from({ length: 100 }, (_, index) => ({
    atMs: index * 60_000,
    failures: { ...ZERO, critical: index, info: 7 },
    unknown: 1,
  }));
  const trend: Trend = { fromMs: 0, toMs: 5_940_000, stepMs: 60_000, knownFromMs: 0, points };
  const columns = trendColumns(trend);
  t.equal(columns.length, 5, 'time and four severities');
  t.strictSame([columns[0]?.[1], columns[1]?.[99]], [60, 99]);
  const rows = trendRows(trend, 12);
  t.strictSame([rows.length, rows[0]?.atMs, rows[11]?.atMs], [12, 5_940_000, 0], 'newest first, both ends');
  const [hour] = TREND_RANGES;
  if (hour === undefined) throw new Error('no range');
  t.equal(trendSentence(trend, hour), '99 open failures, 99 more than at the start of the last 1 h.');
  t.equal(trendSentence({ ...trend, points: [] }, hour), 'No history for this period.');
});

void t.test('the state of the fleet in a sentence', async (t) => {
  const summary = (failures: object, nodes: Summary['nodes'], pass = 1): Summary => ({
    version: '1',
    nodes,
    counts: {
      verdicts: { fail: 0, unknown: 0, manual: 0, pass, notApplicable: 0 },
      failures: { ...ZERO, ...failures },
      waived: 0,
    },
  });
  const one = { total: 1, connected: 1, offline: 0, neverEnrolled: 0 };
  t.equal(headline(summary({ critical: 1200, high: 1 }, one)), '1,200 critical and 1 high failure are open');
  t.equal(headline(summary({ critical: 1 }, one)), '1 critical failure is open');
  t.equal(headline(summary({ high: 2 }, one)), 'Nothing critical; 2 high failures are open');
  t.equal(headline(summary({ low: 2 }, one)), 'Nothing critical or high is open');
  t.equal(headline(summary({}, one)), 'Nothing fails');
  t.equal(loadOf(summary({}, one, 0)), 'unseen', 'nothing judged is not nothing wrong');
  t.equal(
    fleetSentence(summary({}, { total: 3, connected: 2, offline: 1, neverEnrolled: 0 })),
    '2 of 3 nodes connected; 1 node is offline, shown as last seen.',
  );
  t.match(
    fleetSentence(summary({}, { total: 0, connected: 0, offline: 0, neverEnrolled: 0 })),
    /^No node has connected yet/,
  );
  t.equal(
    fleetSentence(summary({}, { total: 3, connected: 2, offline: 0, neverEnrolled: 1 })),
    '2 of 3 nodes connected. 1 node of the cluster has no agent.',
  );
});

void t.test('the worst, those of one check together', async (t) => {
  const of = (check: string, nodeId: string) => shown({ check, nodeId, severity: 'high' });
  const page = { findings: [of('a.a', '1'), of('a.a', '2'), of('b.b', '1')], cursor: 'more', total: null };
  t.match(worstGroups(page, 8), [
    { first: { check: 'a.a' }, findings: { length: 2 }, isWhole: true },
    { first: { check: 'b.b' }, findings: { length: 1 }, isWhole: false },
  ]);
  t.equal(worstGroups(page, 1).length, 1);
});
