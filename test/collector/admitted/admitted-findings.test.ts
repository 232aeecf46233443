import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { DenialReport } from '../../../api/denial.ts';
import { keepAdmittedFindings } from '../../../collector/admitted/admitted-findings.ts';
import { createAdmissionReporters } from '../../../collector/admitted/reporters.ts';
import { createDenialIntake } from '../../../collector/denial/denial-intake.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { NodeContainer } from '../../../collector/store/store.ts';
import type { AdmittedPod } from '../../../policy/admitted-pod.ts';
import { temporaryDirectory } from '../../cli/process.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { nodeRow } from '../store/fleet.ts';

const uid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const IMAGE = `registry.example.com/app@${digest('a')}`;

async function start(t: Test) {
  const store = await openSqliteStore({ path: `${temporaryDirectory(t)}/store.sqlite` });
  const clock = createFakeClock();
  const eventBus = createEventBus();
  const reporters = createAdmissionReporters(clock);
  const intake = createDenialIntake({ store, reporters, eventBus, clock });
  const digests = new Map<string, readonly string[]>();
  const stop = new AbortController();
  const failed = (_fields: unknown, message: string): void => void t.fail(message);
  const silent = { debug: () => undefined, info: () => undefined, warn: failed, error: failed };
  const keeping = keepAdmittedFindings({
    reporters,
    digestsOf: (imageId) => digests.get(imageId) ?? [],
    exempt: ['kube-system'],
    store,
    eventBus,
    clock,
    log: silent,
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    await keeping;
    await store.close();
  });
  const settled = async (): Promise<void> => {
    while (clock.waiting() === 0) await setImmediate();
  };
  const pass = async (ms: number): Promise<void> => {
    // Rounds come every second; of a long time only the last ones matter.
    if (ms > 90_000) await clock.advance(ms - 90_000);
    for (let left = Math.min(ms, 90_000); left > 0; left -= 1_000) {
      await settled();
      await clock.advance(1_000);
      await settled();
    }
  };
  let answeredMs = 0;
  const report = async (over: Partial<DenialReport> = {}, instance = 'a'): Promise<void> => {
    const reporter = { program: 'admission', name: `webhook-${instance}`, instance, caBundle: '' } as const;
    const state = { pending: 0, dropped: 0, answeredMs, ended: false, denials: [], admitted: [] };
    t.match(await intake.take({ reporter, ...state, ...over }, 'token'), { outcome: 'stored' });
    answeredMs = clock.now();
  };
  const row = nodeRow({ id: 'n1', containers: [] });
  await store.putNodes([row]);
  return {
    store,
    clock,
    digests,
    pass,
    report,
    /** The webhook reports for so long. */
    reporting: async (ms: number) => {
      for (let left = ms; left > 0; left -= 3_000) {
        await report();
        await pass(3_000);
      }
    },
    run: async (...containers: readonly NodeContainer[]) => {
      eventBus.publish({ type: 'node', node: { ...row, containers } });
      await pass(2_000);
    },
    container: (number: number, over: Partial<NodeContainer> = {}): NodeContainer => ({
      id: `c${String(number)}`,
      name: 'app',
      image: IMAGE,
      imageId: digest('1'),
      startedAt: new Date(clock.now()).toISOString(),
      podUid: uid(number),
      namespace: 'prod',
      pod: `app-${String(number)}`,
      ...over,
    }),
    pod: (number: number, over: Partial<AdmittedPod> = {}): AdmittedPod => ({
      uid: uid(number),
      namespace: 'prod',
      name: `app-${String(number)}`,
      atMs: clock.now(),
      images: [{ reference: IMAGE, digest: digest('a') }],
      isComplete: true,
      generation: 7,
      byBreakGlass: false,
      ...over,
    }),
    verdicts: async () =>
      Object.fromEntries(
        (await store.findings({ limit: 100 })).findings.map(({ subject, verdict, reason = '' }) => [
          subject.id,
          reason === '' ? verdict : `${verdict}: ${reason}`,
        ]),
      ),
  };
}

void t.test('what runs is compared with what was admitted', async (t) => {
  const cluster = await start(t);
  const { run, container, pod, report, reporting, verdicts, pass } = cluster;
  const old = container(1);
  const oldSystem = container(10, { namespace: 'kube-system' });
  await run(old, oldSystem);
  t.strictSame(await verdicts(), {}, 'no webhook has ever reported');
  await reporting(63_000);
  t.match(await verdicts(), { c1: 'notApplicable: not admitted: it is older' });
  t.notOk('c10' in (await verdicts()), 'what ran in an exempt namespace before is no news');
  await pass(60_000);

  await report({ admitted: [pod(2)] });
  const sandbox = { ...container(9), id: 'sandbox' };
  delete (sandbox as { podUid?: string }).podUid;
  await run(
    old,
    container(2),
    container(3, { podUid: 'f'.repeat(32) }),
    container(4, { namespace: 'kube-system' }),
    sandbox,
  );
  t.match(await verdicts(), { c1: /^notApplicable/, c2: 'pass', c3: /^fail: static pod/ }, 'a static pod at once');
  t.match(await verdicts(), { c4: /^manual: a new pod in a namespace that the webhook leaves out/ });
  t.notOk('sandbox' in (await verdicts()));

  const again = container(1, { id: 'c1b' });
  const others = [
    container(5),
    container(6, { namespace: 'kube-system', podUid: 'e'.repeat(32) }),
    // A static pod can name any uid.
    container(7, { podUid: uid(2), namespace: 'evil' }),
    container(8, { podUid: uid(2), pod: 'app-2', id: 'c8', image: `registry.example.com/app@${digest('b')}` }),
  ];
  await run(again, container(2), ...others);
  t.equal((await verdicts())['c5'], undefined, 'not decided before the webhook has reported everything');
  await reporting(6_000);
  t.match(await verdicts(), {
    c1b: /^notApplicable/,
    c5: 'fail: no admission webhook has admitted this pod',
    c6: /^manual: static pod/,
    c7: 'fail: its pod has the uid of another pod that was admitted',
    c8: 'fail: it runs another image than the one that was admitted',
  });
  await run(container(2));
  t.strictSame(Object.keys(await verdicts()), ['c2'], 'gone with the container');
});

void t.test('another image under the name of the one that was admitted', async (t) => {
  const cluster = await start(t);
  const { run, container, pod, report, reporting, verdicts, digests, pass } = cluster;
  await reporting(63_000);
  await pass(60_000);
  const byTag = { images: [{ reference: 'registry.example.com/app:1', digest: '' }] };
  await report({ admitted: [pod(1), pod(2), pod(3, byTag)] });
  digests.set(digest('1'), [digest('1'), digest('a')]);
  digests.set(digest('2'), [digest('2'), digest('b')]);
  const replaced = { imageId: digest('2') };
  await run(
    container(1),
    container(2, replaced),
    container(3, replaced),
    container(4, { podUid: uid(1), pod: 'app-1', imageId: digest('3') }),
  );
  t.match(await verdicts(), {
    c1: 'pass',
    c2: 'fail: it runs another image than the one that was admitted',
    c3: 'pass',
    c4: 'pass',
  });
  // An update of the image is admitted too.
  await report({ admitted: [pod(2, { images: [{ reference: 'x', digest: digest('b') }] })] });
  await run(container(1), container(2, { ...replaced, image: `registry.example.com/app@${digest('b')}` }));
  t.match(await verdicts(), { c2: 'pass' });
});

void t.test(
  'a webhook that is away, has more to report, or lost its reports: unknown, no flood of failures',
  async (t) => {
    const cluster = await start(t);
    const { run, container, pod, report, reporting, verdicts, pass } = cluster;
    await reporting(63_000);
    await pass(60_000);
    await report();
    await run(container(1));
    await report({ pending: 5 });
    await pass(25_000);
    t.match(await verdicts(), { c1: /^unknown: .*webhook-a has not reported everything yet/ });
    await report({ pending: 0, admitted: [pod(1)] });
    await pass(2_000);
    t.match(await verdicts(), { c1: 'pass' }, 'a late report');

    await reporting(6_000);
    await run(container(1), container(2));
    await reporting(9_000);
    t.match(await verdicts(), { c2: /^fail/ });
    await run(container(1), container(2), container(3));
    await pass(60_000);
    t.match(
      await verdicts(),
      { c2: /^fail/, c3: /^unknown: .*webhook-a does not report any more/ },
      'silence hides no failure',
    );
    // The same replica with an empty disk is another instance; the first one never said that it ended.
    for (let round = 0; round < 10; round += 1) {
      await report({}, 'b');
      await pass(3_000);
    }
    t.match(await verdicts(), { c3: /^unknown: .*webhook-a/ });
    await pass(3_540_000);
    await report({}, 'b');
    await pass(1_000);
    await report({}, 'b');
    await pass(70_000);
    await report({}, 'b');
    await report({}, 'b');
    await pass(5_000);
    t.match(await verdicts(), { c3: /^fail/ }, 'after an hour the others count alone');

    await run(container(4));
    await report({ dropped: 3 }, 'b');
    await report({ dropped: 3 }, 'b');
    await pass(30_000);
    t.match(await verdicts(), { c4: /^unknown: .*webhook-b lost reports/ });
  },
);

void t.test('one that ends in order leaves no doubt', async (t) => {
  const cluster = await start(t);
  const { run, container, report, reporting, verdicts, pass } = cluster;
  await reporting(63_000);
  await pass(60_000);
  await report({ ended: true });
  await report({}, 'b');
  await run(container(1));
  await report({}, 'b');
  await report({}, 'b');
  await pass(3_000);
  t.match(await verdicts(), { c1: /^fail/ });
});
