import * as fc from 'fast-check';
import type { Test } from 'tap';
import type { Finding } from '../../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../../posture/verdict.ts';
import type { Store, StoredFinding } from '../../../collector/store/store.ts';
import { all, commit, commitEvents, finding, nodeRow, T0 } from './fleet.ts';

export async function filters(t: Test, store: Store): Promise<void> {
  await store.putNodes([nodeRow()]);
  const put = [
    finding({ on: 'a' }),
    finding({ on: 'b', severity: 'low', reason: 'BecauSe of 100%' }),
    finding({ check: 'kernel.lockdown', kind: 'node', on: 'n1', verdict: 'unknown', title: 'Lockdown is on' }),
    finding({ check: 'file.docker-socket-mode', kind: 'file', on: '/var/run/docker.sock', verdict: 'pass' }),
  ];
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  await commitEvents(store, commit({ nodeId: 'n2', sequence: 1, snapshot: true, put: [finding({ on: 'a' })] }));
  const found = async (filter: object): Promise<string> =>
    (await store.findings({ limit: 100, ...filter })).findings
      .map(({ nodeId, subject }) => `${nodeId}:${subject.id}`)
      .join(' ');
  t.equal(await found({}), 'n1:a n2:a n1:b n1:n1 n1:/var/run/docker.sock', 'worst first');
  t.match((await all(store))[0], { nodeName: 'web-1', ...put[0] }, 'nothing is lost on the way');
  t.equal(await found({ nodes: ['n2', 'nowhere'] }), 'n2:a');
  t.equal(await found({ nodes: [] }), '');
  t.equal(await found({ checks: ['kernel.lockdown', 'file.docker-socket-mode'] }), 'n1:n1 n1:/var/run/docker.sock');
  t.equal(await found({ verdicts: ['pass', 'unknown'] }), 'n1:n1 n1:/var/run/docker.sock');
  t.equal(await found({ severities: ['low'] }), 'n1:b');
  t.equal(await found({ severities: ['low'], verdicts: ['pass'] }), '');
  t.equal(await found({ verdicts: [] }), '');
  t.equal(await found({ subjectKinds: ['file', 'node'] }), 'n1:n1 n1:/var/run/docker.sock');
  t.equal(await found({ subjectKinds: [] }), '');
  t.equal(await found({ subject: '/var/run/docker.sock' }), 'n1:/var/run/docker.sock', 'by id');
  t.equal(await found({ subject: 'name-of-a' }), 'n1:a n2:a', 'by name');
  t.equal(await found({ subject: 'name-of' }), '', 'exactly');
  t.equal(await found({ text: 'LOCKDOWN is' }), 'n1:n1', 'title, whatever the case');
  t.equal(await found({ text: 'kernel.' }), 'n1:n1', 'check');
  t.equal(await found({ text: 'because of 100%' }), 'n1:b', 'reason');
  t.equal(await found({ text: ' 100%  NAME-OF ' }), 'n1:b', 'words in any order, each somewhere');
  t.equal(await found({ text: '100% name-of-a' }), '', 'all of them');
  t.equal(await found({ text: 'capeff', subjectKinds: ['file'] }), 'n1:/var/run/docker.sock', 'evidence');
  t.equal(await found({ text: 'name-of-b' }), 'n1:b', 'subject name');
  for (const text of ['100_', 'CAP%ADMIN', 'CAP_SYS_ADMI_', '1%%', '%', ',', '[', ']', '"', String.raw`\ `])
    t.equal(await found({ text }), text === '%' ? 'n1:b' : '', `nothing holds ${text}`);
  t.equal(await found({ text: '' }), await found({}), 'an empty text is in everything');
}

/** Counted in groups by the store, and by hand from the list of the same findings. */
export async function groups(t: Test, store: Store): Promise<void> {
  await store.putNodes([nodeRow()]);
  const put = ['a', 'b', 'c'].flatMap((on, index) =>
    ['container.privileged', 'container.seccomp-filter', 'x.y'].map((check, place) =>
      finding({ check, on, verdict: VERDICTS[(index + place) % 5] ?? 'fail', severity: SEVERITIES[index] ?? 'low' }),
    ),
  );
  const image = finding({ check: 'image.healthcheck', kind: 'image', on: 'sha256:1', reason: 'none of a' });
  await store.commit([
    commit({ sequence: 1, snapshot: true, put: [...put, image] }),
    commit({ nodeId: 'n2', sequence: 1, snapshot: true, put: [finding({ on: 'a' })] }),
  ]);
  const keyOf = {
    check: ({ check }: StoredFinding) => check,
    node: ({ nodeId }: StoredFinding) => nodeId,
    subject: ({ nodeId, subject }: StoredFinding) => `${nodeId} ${subject.kind}/${subject.id} ${subject.name}`,
  };
  const filtersToTry = [
    {},
    { verdicts: ['fail'] },
    { nodes: ['n1'], text: 'name-of-a' },
    { subjectKinds: ['image'] },
  ] as const;
  for (const by of ['check', 'node', 'subject'] as const)
    for (const filter of filtersToTry) {
      const { findings } = await store.findings({ ...filter, limit: 100 });
      const expected = [...Map.groupBy(findings, keyOf[by])].map(([key, members]) => `${key}: ${countText(members)}`);
      const found = (await store.findingGroups({ ...filter, by, limit: 100 })).map((group) => {
        const { check = '', nodeId = '', subject } = group;
        const key = {
          check,
          node: nodeId,
          subject: `${nodeId} ${subject?.kind ?? ''}/${subject?.id ?? ''} ${subject?.name ?? ''}`,
        }[by];
        const rows = group.statusCounts.flatMap((row) => Array.from({ length: row.count }, () => row));
        return `${key}: ${countText(rows)}`;
      });
      t.strictSame(found.toSorted(), expected.toSorted(), `by ${by} of ${JSON.stringify(filter)}`);
    }
  const [worst] = await store.findingGroups({ by: 'node', limit: 1 });
  t.equal(worst?.nodeId, 'n1', 'the worst first, no more than asked for');
  await t.rejects(store.findingGroups({ by: 'node', limit: 0 }), { code: 'badFilter' });
}

function countText(rows: readonly Pick<StoredFinding, 'verdict' | 'severity'>[]): string {
  return rows
    .map(({ verdict, severity }) => `${verdict} ${severity}`)
    .toSorted()
    .join(', ');
}

export async function literalText(t: Test, store: Store): Promise<void> {
  const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 });
  const spiked = fc.oneof(
    anyText,
    fc.string({ unit: fc.constantFrom('%', '_', '\\', '"', ',', 'a', 'A', '\n', '\0') }),
  );
  let sequence = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(spiked, { minLength: 4, maxLength: 4 }), spiked, async (texts, wanted) => {
      const [title = '', seen = '', expected = '', reason = ''] = texts;
      const evidence = [{ source: 's', seen, expected }];
      const put = [finding({ check: 'x.y', title, evidence, reason, subject: { kind: 'node', id: 'n', name: '' } })];
      sequence += 1;
      await store.commit([commit({ sequence, snapshot: true, put })]);
      const fold = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
      const parts = ['x.y', title, 's', seen, expected, reason].map(fold);
      const words = fold(wanted).split(/\s+/);
      const holds = words.every((word) => parts.some((part) => part.includes(word)));
      const { findings } = await store.findings({ text: wanted, limit: 1 });
      return (findings.length === 1) === holds;
    }),
    { numRuns: 200 },
  );
  t.pass('for 200 findings and texts');
}

export async function pages(t: Test, store: Store): Promise<void> {
  const put: Finding[] = [];
  for (let index = 0; index < 60; index += 1) {
    const verdict = VERDICTS[index % 5] ?? 'pass';
    const severity = SEVERITIES[(index * 3) % 5] ?? 'low';
    put.push(finding({ check: `container.check-${String(index % 7)}`, on: `c${String(index)}`, verdict, severity }));
  }
  for (const nodeId of ['n1', 'n2', 'n3'])
    await commitEvents(store, commit({ nodeId, sequence: 1, snapshot: true, put }));
  const whole = await all(store);
  t.equal(whole.length, 180);
  await totals(t, store, whole);
  await oneCheckOfOneNode(t, store, whole);
  const place = ({ verdict, severity, check, subject }: StoredFinding): string =>
    [VERDICTS.indexOf(verdict), SEVERITIES.indexOf(severity), check, subject.id].join(' ');
  t.same(whole.map(place), whole.map(place).sort(), 'verdict, severity, check, subject');
  const seen: string[] = [];
  let cursor: string | undefined;
  let page = 0;
  do {
    const filter = cursor === undefined ? { limit: 7 } : { limit: 7, cursor };
    const next = await store.findings(filter);
    t.ok(next.findings.length === 7 || next.cursor === undefined, 'full, or the last');
    seen.push(...next.findings.map(({ uid }) => uid));
    cursor = next.cursor;
    page += 1;
    // The best of all comes and goes in front of the reader: it must not push the rest around.
    const extra = finding({ check: 'a.first', on: String(page) });
    await commitEvents(store, commit({ nodeId: 'n1', sequence: page + 1, put: [extra] }));
  } while (cursor !== undefined);
  t.same(
    seen,
    whole.map(({ uid }) => uid),
    'each once, in order',
  );
  const exact = await store.findings({ limit: 60, nodes: ['n2'] });
  t.equal(exact.findings.length, 60);
  t.equal(exact.cursor, undefined, 'no empty page at the end');
}

/** One check of one node is read in another way: the first page by keys, the next ones through the index. */
async function oneCheckOfOneNode(t: Test, store: Store, whole: readonly StoredFinding[]): Promise<void> {
  for (const [node, check] of [...new Set(whole.map((one) => `${one.nodeId} ${one.check}`))].map((key) =>
    key.split(' '),
  )) {
    const expected = whole.filter((one) => one.nodeId === node && one.check === check);
    const filter = { nodes: [node ?? ''], checks: [check ?? ''], limit: 2 };
    const seen: StoredFinding[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.findings({ ...filter, ...(cursor !== undefined && { cursor }) });
      seen.push(...page.findings);
      cursor = page.cursor;
    } while (cursor !== undefined);
    t.same(seen, expected, `${String(node)} ${String(check)}`);
  }
  t.same(await store.findings({ nodes: ['nowhere'], checks: ['container.check-3'], limit: 5 }), { findings: [] });
  t.same(await store.findings({ nodes: ['n1'], checks: ['no.such'], limit: 5 }), { findings: [] });
}

/** Every page knows how many there are on all pages, where that is known without reading everything. */
async function totals(t: Test, store: Store, whole: readonly StoredFinding[]): Promise<void> {
  const filters: readonly (readonly [filter: object, matches: (finding: StoredFinding) => boolean])[] = [
    [{}, () => true],
    [{ nodes: ['n2', 'nowhere'] }, ({ nodeId }) => nodeId === 'n2'],
    [{ verdicts: ['fail', 'pass'] }, ({ verdict }) => verdict === 'fail' || verdict === 'pass'],
    [{ severities: ['low'], nodes: ['n1', 'n3'] }, (one) => one.severity === 'low' && one.nodeId !== 'n2'],
    [{ checks: ['container.check-3'] }, ({ check }) => check === 'container.check-3'],
    [{ subjectKinds: ['file'] }, () => false],
    [{ verdicts: [] }, () => false],
  ];
  for (const [filter, matches] of filters) {
    const total = whole.filter(matches).length;
    const first = await store.findings({ limit: 5, counted: true, ...filter });
    t.equal(first.total, total, JSON.stringify(filter));
    if (first.cursor === undefined) continue;
    t.equal((await store.findings({ limit: 5, counted: true, cursor: first.cursor, ...filter })).total, total);
  }
  t.equal((await store.findings({ limit: 5 })).total, undefined, 'only where it was asked for');
  for (const filter of [{ text: 'name-of-c7' }, { subject: 'c7' }]) {
    t.equal((await store.findings({ limit: 3, counted: true, ...filter })).total, 3, 'one page holds all');
    t.equal((await store.findings({ limit: 2, counted: true, ...filter })).total, undefined);
  }
}

export async function counts(t: Test, store: Store): Promise<void> {
  t.same(await store.counts(), []);
  const put = [finding({ on: 'a' }), finding({ on: 'b' }), finding({ on: 'c', verdict: 'pass', severity: 'low' })];
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  await commitEvents(store, commit({ nodeId: 'n2', sequence: 1, snapshot: true, put: [finding()] }));
  await commitEvents(store, commit({ sequence: 2, gone: [finding({ on: 'a' }).id] }));
  t.same(await store.counts(), [
    { nodeId: 'n1', verdict: 'fail', severity: 'critical', count: 1 },
    { nodeId: 'n1', verdict: 'pass', severity: 'low', count: 1 },
    { nodeId: 'n2', verdict: 'fail', severity: 'critical', count: 1 },
  ]);
}

export async function nodes(t: Test, store: Store): Promise<void> {
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  t.same(await store.nodes(), [], 'a node is listed once its row was written');
  await store.putNodes([nodeRow()]);
  await store.putNodes([nodeRow({ id: 'n0', name: 'web-2', containers: [], connected: false, offlineSinceMs: T0 })]);
  t.same(await store.nodes(), [
    nodeRow(),
    nodeRow({ id: 'n0', name: 'web-2', containers: [], connected: false, offlineSinceMs: T0 }),
  ]);
  t.match(await store.replicationState('n1'), { committedSequence: 1, findings: 1 }, 'its stream is not touched');
  t.equal(await store.replicationState('n0'), undefined, 'introduced, but nothing committed');
  await store.putNodes([nodeRow({ firstSeenMs: T0 + 99, lastSeenMs: T0 + 99, dropped: 3 })]);
  t.match((await store.nodes())[0], { firstSeenMs: T0, lastSeenMs: T0 + 99, dropped: 3 }, 'first seen once');
  t.match((await all(store))[0], { nodeName: 'web-1' });
}

export async function refusals(t: Test, store: Store): Promise<void> {
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  const cursors = ['', 'x', 'W10', '!!', Buffer.from('[1,2,3,4]').toString('base64url'), 'A'.repeat(20_000)];
  for (const cursor of cursors) {
    await t.rejects(store.findings({ limit: 1, cursor }), { code: 'badCursor' });
    await t.rejects(store.history({ limit: 1, cursor }), { code: 'badCursor' });
  }
  for (const limit of [0, -1, 1.5, 10_001, Number.NaN]) {
    await t.rejects(store.findings({ limit }), { code: 'badFilter' });
    await t.rejects(store.history({ limit }), { code: 'badFilter' });
    await t.rejects(store.outbox(0, limit), { code: 'badFilter' });
  }
  await t.rejects(store.findings({ limit: 1, text: 'x'.repeat(1001) }), { code: 'badFilter' });
  const words = Array.from({ length: 17 }, (_, index) => String(index)).join(' ');
  await t.rejects(store.findings({ limit: 1, text: words }), { code: 'badFilter' });
}
