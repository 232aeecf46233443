import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { toComplianceFinding } from '../../../collector/event/ocsf/compliance-finding.ts';
import { createAnnotationFiles } from '../../../collector/image/annotation-files.ts';
import { createKeptAnnotations } from '../../../collector/image/kept-annotations.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Commit } from '../../../collector/store/store.ts';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import { keepWaivers, openWaivers } from '../../../collector/waiver/keep-waivers.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import type { FakeClock } from '../../service/fake-clock.ts';
import { all, commit, finding, nodeRow } from '../store/fleet.ts';

const START = Date.UTC(2026, 10, 29, 12);
const DAY_MS = 86_400_000;
const IMAGE = `sha256:${'a'.repeat(64)}`;
const OTHER_IMAGE = `sha256:${'b'.repeat(64)}`;
const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent, child: () => log };

/** A document; what is not said accepts privileged containers until the end of the day after next. */
function waiver(name: string, spec: object = {}, match: object = {}): object {
  return {
    apiVersion: 'plimsoll.dev/v1',
    kind: 'Waiver',
    metadata: { name },
    spec: {
      match: { checks: ['container.privileged'], ...match },
      reason: 'replaced in March',
      owner: 'shop team',
      expires: '2026-12-01',
      ...spec,
    },
  };
}

const yaml = (...documents: readonly object[]): string =>
  documents.map((document) => JSON.stringify(document)).join('\n---\n');

/** The parts of a collector that decide about waivers, over real files and a real store, in a directory that outlives them. */
async function start(t: Test, clock: FakeClock, directory: string) {
  const stop = new AbortController();
  const { set, endedFile } = await openWaivers(join(directory, 'ended-waivers.json'));
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite'), waivers: set });
  const eventBus = createEventBus();
  const files = createAnnotationFiles(
    { vex: [], waivers: [join(directory, 'waivers')] },
    { kept: createKeptAnnotations(join(directory, 'annotations')), now: clock.now },
  );
  const kept = keepWaivers({ set, endedFile, store, eventBus, clock, log, signal: stop.signal });
  const read = async (): Promise<void> => {
    await files.refresh();
    kept.use({ waivers: files.findingWaivers(), isIncomplete: files.isIncomplete() });
    await clock.advance(1);
  };
  const end = async (): Promise<void> => {
    stop.abort();
    await kept.over;
    await store.close();
  };
  let sequence = 0;
  const report = async (...findings: readonly Parameters<typeof finding>[0][]): Promise<void> => {
    sequence += 1;
    const put = findings.map((each) => finding(each));
    const at = { observedAtMs: clock.now(), receivedAtMs: clock.now() };
    await store.commit([commit({ sequence, put, snapshot: true, epoch: randomBytes(4).toString('hex'), ...at })]);
  };
  /** Names of the subjects of waived findings with the names of the waivers. */
  const waived = async (): Promise<readonly string[]> =>
    (await all(store)).flatMap(({ subject, waiver: by }) => (by === undefined ? [] : [`${subject.id} ${by.name}`]));
  const events = async (): Promise<readonly string[]> =>
    (await store.outbox(0, 1000))
      .filter(isFindingEvent)
      .map(({ action, finding: { subject, waiver: by } }) => `${action} ${subject.id} ${by?.name ?? '-'}`);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return { store, files, kept, read, end, report, waived, events };
}

/** Replaces a file in one step, as an editor or Kubernetes does. */
function put(directory: string, text: string, name = 'team.yaml'): void {
  mkdirSync(join(directory, 'waivers'), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'temporary'), text, { mode: 0o600 });
  renameSync(join(directory, 'temporary'), join(directory, 'waivers', name));
}

/** Lets time pass until the condition holds. */
async function until(t: Test, clock: FakeClock, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 400; left > 0; left -= 1) {
    if (await condition()) return;
    await clock.advance(1);
    // Files are written in their own time.
    await delay(5);
  }
  t.fail('did not happen in time');
}

await t.test(
  'a finding is waived as it comes, leaves the counts, and is open the moment the waiver ends',
  async (t) => {
    const directory = t.testdir();
    const clock = createFakeClock(START);
    put(directory, yaml(waiver('legacy', {}, { subjects: ['name-of-report'] })));
    const { store, kept, read, end, report, waived, events } = await start(t, clock, directory);
    await store.putNodes([nodeRow()]);
    await read();
    await report({ on: 'report' }, { on: 'shop' }, { on: 'report', check: 'container.seccomp-filter' });
    t.strictSame(await waived(), ['report legacy']);
    t.match((await store.findings({ waived: true, limit: 10 })).findings, [
      { waiver: { name: 'legacy', owner: 'shop team', reason: 'replaced in March', expires: '2026-12-01' } },
    ]);
    t.strictSame(
      (await store.counts()).map(({ verdict, count, waived: isWaived }) => [verdict, count, isWaived === true]),
      [
        ['fail', 2, false],
        ['fail', 1, true],
      ],
    );
    t.match((await store.trend([clock.now() + 60_000])).points, [{ failures: { critical: 2 } }]);
    t.equal(await store.verify('n1'), 'sound', 'the digest is that of what the node reported');

    // Something else about it changes: it stays waived. Then it is fixed, and comes back.
    await report({ on: 'report', title: 'other words' }, { on: 'shop' });
    await report({ on: 'report', verdict: 'pass' }, { on: 'shop' });
    await report({ on: 'report' }, { on: 'shop' });
    t.strictSame(await waived(), ['report legacy']);

    // 2026-12-02T00:00:00Z is the first moment after the last day.
    await clock.advance(Date.UTC(2026, 11, 2) - clock.now() - 1);
    t.strictSame(await waived(), ['report legacy']);
    await until(t, clock, async () => (await waived()).length === 0);
    t.ok(clock.now() - Date.UTC(2026, 11, 2) < 10_000, 'not at the next interval, which is 45 s');
    await until(t, clock, () => Promise.resolve(kept.issues().length > 0));
    t.match(kept.issues(), [{ code: 'waiverExpired', subject: 'legacy' }]);
    await store.removeNode('n1', clock.now());
    t.strictSame(await events(), [
      'opened report legacy',
      'opened shop -',
      'opened report -',
      'resolved report -',
      'changed report legacy',
      'resolved report -',
      'opened report legacy',
      'opened report -',
      'resolved report -',
      'resolved shop -',
    ]);
    await end();
  },
);

await t.test('OCSF: suppressed while it is waived, then new, with one uid', async (t) => {
  const directory = t.testdir();
  const clock = createFakeClock(START);
  const { store, read, end, report, waived } = await start(t, clock, directory);
  await store.putNodes([nodeRow()]);
  mkdirSync(join(directory, 'waivers'), { mode: 0o700 });
  await read();
  await report({ on: 'report', reason: 'it has all capabilities' });
  put(directory, yaml(waiver('legacy')));
  await read();
  await until(t, clock, async () => (await waived()).length === 1);
  rmSync(join(directory, 'waivers', 'team.yaml'));
  await read();
  await until(t, clock, async () => (await waived()).length === 0);
  const context = { version: '1', checks: new Map(), node: () => undefined, nowMs: clock.now() };
  const sent = (await store.outbox(0, 10)).filter(isFindingEvent).map((event) => toComplianceFinding(event, context));
  // The numbers of `status_id` in https://schema.ocsf.io/1.8.0/classes/compliance_finding
  t.match(sent, [
    { activity_id: 1, status_id: 1, status: 'New', status_detail: 'it has all capabilities' },
    {
      activity_id: 2,
      status_id: 3,
      status: 'Suppressed',
      status_detail: 'waived by legacy (shop team, until 2026-12-01): replaced in March',
      unmapped: { waiver: 'legacy', waiver_owner: 'shop team', waiver_expires: '2026-12-01' },
      compliance: { status_id: 3 },
    },
    { activity_id: 1, status_id: 1, status: 'New' },
  ]);
  t.equal(new Set(sent.map(({ finding_info: info }) => (info as { uid: string }).uid)).size, 1);
  await end();
});

await t.test('names that a container or a host chooses are not those of a neighbour', async (t) => {
  const directory = t.testdir();
  const clock = createFakeClock(START);
  const victim = 'f'.repeat(64);
  const uid = '1b4e28ba-2fa1-11d2-883f-0016d3cca427';
  put(
    directory,
    yaml(
      waiver('by-image', {}, { subjects: ['report'], imageIds: [IMAGE] }),
      waiver('by-id', {}, { subjects: [victim] }),
      waiver('by-node', {}, { checks: ['kernel.lockdown'], nodes: ['build-*'] }),
    ),
  );
  const { store, read, end, waived } = await start(t, clock, directory);
  const container = (id: string, imageId: string) => ({
    id,
    name: 'report',
    image: 'report:1',
    imageId,
    startedAt: '',
  });
  await store.putNodes([
    // A host tells its name itself; that of a Kubernetes node is in its certificate, and its id is a UID.
    nodeRow({ id: 'n1', name: 'build-1', containers: [container('c1', IMAGE), container('c2', OTHER_IMAGE)] }),
    nodeRow({ id: uid, name: 'build-2', containers: [] }),
    nodeRow({ id: 'build-3', name: 'web-3', containers: [] }),
  ]);
  await read();
  const subject = (id: string, name: string) => ({ kind: 'container' as const, id, name });
  const kernel = { check: 'kernel.lockdown', kind: 'node' as const };
  const report = (nodeId: string, findings: readonly Parameters<typeof finding>[0][]): Commit =>
    commit({ nodeId, sequence: 1, snapshot: true, put: findings.map((each) => finding(each)) });
  await store.commit([
    report('n1', [
      { subject: subject('c1', 'report') },
      // Another image under the same name, and a name that is the id of another container.
      { subject: subject('c2', 'report') },
      { subject: subject('c3', victim) },
      { subject: subject(victim, 'any') },
      { ...kernel, on: 'k1' },
    ]),
    report(uid, [{ ...kernel, on: 'k2' }, { subject: subject('c1', 'report') }]),
    report('build-3', [{ ...kernel, on: 'k3' }]),
  ]);
  t.strictSame((await waived()).toSorted(), ['c1 by-image', `${victim} by-id`, 'k2 by-node', 'k3 by-node']);
  // What could not be read is never waived.
  await store.commit([
    commit({ sequence: 2, put: [finding({ subject: subject('c1', 'report'), verdict: 'unknown' })] }),
  ]);
  t.notOk((await waived()).includes('c1 by-image'));
  await end();
});

await t.test('a file that is wrong or cannot be read changes nothing, also over a restart', async (t) => {
  const directory = t.testdir();
  const clock = createFakeClock(START);
  put(directory, yaml(waiver('legacy', {}, { subjects: ['report'] })));
  let run = await start(t, clock, directory);
  await run.store.putNodes([nodeRow()]);
  await run.read();
  await run.report({ on: 'report' }, { on: 'shop' });
  const path = join(directory, 'waivers', 'team.yaml');
  const faults: readonly (readonly [() => void, RegExp])[] = [
    [() => put(directory, '{'), /YAML/],
    [() => put(directory, yaml(waiver('legacy', { expires: '2029-01-01' }))), /line 1.*spec\.expires.*366 days/],
    [() => put(directory, yaml(waiver('legacy', {}, { subjects: [] }))), /spec\.match\.subjects.*would match all/],
    [() => put(directory, yaml(waiver('legacy', {}, { checks: ['container.*'] }))), /without patterns/],
    [() => put(directory, yaml(waiver('legacy', {}, { labels: { app: 'shop' } }))), /labels: unknown field/],
    [() => chmodSync(path, 0o666), /every user can write/],
    [() => chmodSync(join(directory, 'waivers'), 0o777), /every user can write/],
  ];
  for (const [fault, problem] of faults) {
    fault();
    await run.read();
    t.match([...run.files.problems().values()].join('\n'), problem);
    t.strictSame(await run.waived(), ['report legacy'], String(problem));
    chmodSync(join(directory, 'waivers'), 0o700);
  }
  await run.end();

  run = await start(t, clock, directory);
  // Before anything was read.
  await run.report({ on: 'report', title: 'other words' }, { on: 'shop' });
  t.strictSame(await run.waived(), ['report legacy']);
  await run.read();
  await clock.advance(60_000);
  t.strictSame(await run.waived(), ['report legacy'], 'from the copy');
  await run.end();

  // The copy is gone too: what was waived stays so until its day is over, and nothing else is waived.
  rmSync(join(directory, 'annotations'), { recursive: true });
  rmSync(join(directory, 'waivers'), { recursive: true });
  run = await start(t, clock, directory);
  await run.read();
  await run.report({ on: 'report' }, { on: 'shop' });
  await clock.advance(60_000);
  t.strictSame(await run.waived(), ['report legacy']);
  await clock.advance(3 * DAY_MS);
  await delay(100);
  await clock.advance(60_000);
  await until(t, clock, async () => (await run.waived()).length === 0);
  await run.end();
});

await t.test('a waiver that has ended does not come back when the clock is set back', async (t) => {
  const directory = t.testdir();
  const clock = createFakeClock(START);
  put(directory, yaml(waiver('legacy'), waiver('later', { from: '2026-12-03', expires: '2026-12-04' })));
  let run = await start(t, clock, directory);
  await run.store.putNodes([nodeRow()]);
  await run.read();
  await run.report({ on: 'report' });
  t.strictSame(await run.waived(), ['report legacy']);
  await clock.advance(3 * DAY_MS);
  await until(t, clock, async () => (await run.waived()).length === 0);
  clock.jump(-3 * DAY_MS);
  await clock.advance(60_000);
  t.strictSame(await run.waived(), []);
  await run.end();

  run = await start(t, clock, directory);
  await run.read();
  await run.report({ on: 'report', title: 'other words' });
  await clock.advance(60_000);
  t.strictSame(await run.waived(), [], 'nor after a restart');
  await until(t, clock, () => Promise.resolve(run.kept.uses()?.length === 2));
  t.match(run.kept.uses(), [{ state: 'expired' }, { state: 'pending' }]);
  // Someone decides again.
  put(directory, yaml(waiver('legacy', { reason: 'until April' })));
  await run.read();
  await until(t, clock, async () => (await run.waived()).length === 1);
  await run.end();
});

await t.test('too broad, unused, and a name that occurs twice are reported', async (t) => {
  const directory = t.testdir();
  const clock = createFakeClock(START);
  put(directory, yaml(waiver('all'), waiver('none', {}, { subjects: ['gone'] })));
  put(directory, yaml(waiver('none', {}, { subjects: ['*'] })), 'zz.yaml');
  const { store, kept, files, read, end, report, waived } = await start(t, clock, directory);
  await store.putNodes([nodeRow()]);
  await report(...Array.from({ length: 450 }, (_, index) => ({ on: `c${String(index)}` })));
  await read();
  await until(t, clock, () => Promise.resolve(kept.issues().length > 0));
  t.equal((await waived()).length, 450, 'page by page');
  t.match(kept.issues(), [
    { code: 'waiverUnused', subject: 'none' },
    { code: 'waiverBroad', subject: 'all' },
  ]);
  t.match([...files.problems()], [[/zz\.yaml$/, /"none" has the name of another one/]]);
  await end();
});
