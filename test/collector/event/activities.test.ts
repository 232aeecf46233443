import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { DETECTION_RULES } from '../../../collector/detection/rules.ts';
import { createActivityRecorder } from '../../../collector/event/activity-recorder.ts';
import type { ActivityKind } from '../../../collector/event/activity.ts';
import { toOcsf } from '../../../collector/event/ocsf/ocsf.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { activityKindsOf, groupOf, selectEvents } from '../../../collector/event/selection.ts';
import type { Sink, SinkOutcome } from '../../../collector/sink/sink.ts';
import { toFrame } from '../../../collector/sink/syslog-frame.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { isActivityEvent } from '../../../collector/store/stored-event.ts';
import type { StoredEvent } from '../../../collector/store/stored-event.ts';
import { ROOT } from '../../../scripts/setup.mjs';
import { systemClock } from '../../../service/clock.ts';
import { EVENT_GROUPS, eventGroups } from '../../../service/config/event-group.ts';
import { event } from '../sink/events.ts';
import { commit, finding, nodeRow, T0 } from '../store/fleet.ts';
import { readValidator } from './ocsf/validator.ts';

const OCSF = join(ROOT, '..', 'shared', 'ocsf', 'required.json');
const skip = existsSync(OCSF) ? false : 'the facts of the OCSF schema are absent';
const ALL: ReadonlySet<ActivityKind> = activityKindsOf(EVENT_GROUPS);
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const call = {
  id: 'a-1',
  atMs: T0,
  principal: { kind: 'token', id: 't1', name: 'ops', session: false },
  role: 'admin',
  address: '192.0.2.7',
  method: 'DELETE',
  operation: 'removeNode',
  parameters: { id: 'n1' },
  status: 200,
  code: '',
  durationMs: 12,
  calls: 1,
} as const;

async function open(t: Test, activities: ReadonlySet<ActivityKind>) {
  const store = await openSqliteStore({ path: join(t.testdir({}), 'store.sqlite'), activities });
  t.teardown(() => store.close());
  const clock = systemClock();
  const eventBus = createEventBus();
  const recorder = createActivityRecorder({ store, eventBus, clock, log: silent });
  const outbox = async (): Promise<readonly StoredEvent[]> => (await store.outbox(0, 1000)).filter(isActivityEvent);
  return { store, eventBus, recorder, outbox };
}

/** Everything that is recorded, once. */
async function live({ store, recorder }: Awaited<ReturnType<typeof open>>): Promise<void> {
  const sshd = { check: 'ssh.root-login', kind: 'node', on: 'n1', severity: 'high' } as const;
  recorder.noteLifecycle('start', '0.1.0');
  await recorder.settled();
  await store.putNodes([nodeRow()]);
  await store.commit([
    commit({ sequence: 1, snapshot: true, put: [finding(), finding({ ...sshd, verdict: 'pass' })] }),
    commit({ sequence: 2, put: [finding(sshd)] }),
    commit({ sequence: 3, put: [finding({ ...sshd, verdict: 'unknown', reason: 'EACCES' })] }),
    commit({ sequence: 4, put: [finding({ ...sshd, verdict: 'pass' })] }),
  ]);
  await store.putNodes([nodeRow({ lastSeenMs: T0 + 5 }), nodeRow({ agentVersion: '0.2.0', lastSeenMs: T0 + 9 })]);
  const digest = 'd'.repeat(64);
  const claim = { imageId: `sha256:${'a'.repeat(64)}`, digest, source: 'layers', problem: '' } as const;
  await store.images.putClaims('n1', [claim], { atMs: T0, isWhole: true });
  const packages = [{ type: 'apk', name: 'musl', version: '1.2.5-r0', path: '' }] as const;
  const inventory = { distribution: { id: 'alpine', versionId: '3.20', like: [] }, packages, gaps: [] };
  await store.images.putInventory(digest, inventory, new Uint8Array(), T0 + 10);
  recorder.noteCall(call);
  recorder.noteCall({ ...call, method: 'GET', operation: 'listNodes' });
  recorder.noteAnswers({ expression: 'kernel.lockdown', by: 'ops' }, [
    { outcome: 'ok', nodeId: 'n1', nodeName: 'web-1', value: 'none', rows: 1, truncated: false },
    { outcome: 'timeout', nodeId: 'n2', nodeName: 'web-2', deadlineMs: 5000 },
  ]);
  await recorder.settled();
  await store.removeNode('n1', T0 + 20);
}

void t.test('what happens is recorded once, and is OCSF 1.8', { skip }, async (t) => {
  const parts = await open(t, ALL);
  await live(parts);
  const validate = readValidator(OCSF);
  const made = (await parts.outbox()).map((one) => {
    const ocsf = toOcsf(one, { version: '0.1.0', checks: new Map(), node: () => nodeRow(), nowMs: T0 + 60_000 });
    t.strictSame(validate(JSON.parse(JSON.stringify(ocsf))), [], String(ocsf['message']));
    return [one, ocsf] as const;
  });
  t.strictSame(
    made.map(([, { class_uid, activity_name }]) => `${String(class_uid)} ${String(activity_name)}`),
    [
      '6002 Start',
      '5001 Collect',
      '6002 Install',
      '6007 Completed',
      '5019 Log',
      // unknown is no state: the change to pass is not one from fail.
      '5001 Collect',
      '6002 Update',
      '5020 Collect',
      '6003 Delete',
      '5040 Query',
      '5040 Query',
      '6002 Remove',
    ],
  );
  const uids = made.map(([, { metadata }]) => (metadata as OcsfEvent)['uid']);
  t.equal(new Set(uids).size, uids.length, 'each has an id of its own');
  t.strictSame(
    made.map(([{ uid }]) => uid),
    (await parts.outbox()).map(({ uid }) => uid),
    'the ids are stable',
  );
  for (const [one, ocsf] of made)
    for (const maxBytes of [2048, 8000]) {
      const frame = toFrame(one, ocsf, { facility: 'local0', maxBytes, procId: '1' });
      t.ok(frame !== undefined && frame.length <= maxBytes + 5, `${String(ocsf['class_uid'])} fits a syslog message`);
    }
  await parts.store.advance('s', 1000);
  await parts.store.prune(['s'], 0);
  t.strictSame(await parts.outbox(), [], 'it leaves the store once every sink has it');
});

void t.test('a large activity fits a small syslog message, and stays valid', { skip }, async (t) => {
  const validate = readValidator(OCSF);
  const components = Array.from({ length: 200 }, (_, index) => ({
    name: `p${String(index)}\u202e`.repeat(40),
    version: '1',
    type: 'deb',
  }));
  const activity = {
    kind: 'software',
    nodeId: 'n1',
    nodeName: 'web-1'.repeat(40),
    imageId: `sha256:${'a'.repeat(64)}`,
    digest: 'd'.repeat(64),
    distribution: 'debian 13',
    packages: 9000,
    components,
  } as const;
  const one = { position: 1, uid: 'u', atMs: T0, activity };
  const whole = toOcsf(one, { version: '0.1.0', checks: new Map(), node: () => undefined, nowMs: T0 });
  const frame = toFrame(one, whole, { facility: 'local0', maxBytes: 2048, procId: '1' });
  const text = String(frame);
  const ocsf = JSON.parse(text.slice(text.indexOf('] {') + 2)) as OcsfEvent;
  t.strictSame(validate(ocsf), []);
  t.match(ocsf, { class_uid: 5020, metadata: { is_truncated: true, uid: 'u' } });
});

void t.test('what no sink gets is not recorded', async (t) => {
  const parts = await open(t, activityKindsOf(['findings', 'lifecycle']));
  await live(parts);
  t.strictSame(
    (await parts.outbox()).map((one) => groupOf(one)),
    Array.from({ length: 4 }, () => 'lifecycle'),
  );
});

void t.test('refused calls cannot fill the outbox', async (t) => {
  const { recorder, outbox } = await open(t, ALL);
  const refused = { ...call, method: 'GET', status: 401, code: 'unauthorized' };
  for (let count = 0; count < 500; count += 1) recorder.noteCall(refused);
  recorder.noteCall(call);
  await recorder.settled();
  const events = (await outbox()).filter(isActivityEvent);
  t.equal(events.length, 61);
  t.match(events.at(-1)?.activity, { suppressed: 440 }, 'the others are counted, and a change has its event');
});

void t.test('a sink gets its groups only, and what it has not acknowledged is not passed over', async (t) => {
  const sent: (readonly number[])[] = [];
  let outcome: SinkOutcome = { outcome: 'ok' };
  const inner: Sink = {
    name: 'inner',
    close: () => Promise.resolve(),
    send: (batch) => {
      sent.push(batch.map(({ position }) => position));
      return Promise.resolve(outcome);
    },
  };
  const sink = selectEvents(inner, new Set(['findings']));
  const other = (position: number): StoredEvent => ({
    position,
    uid: `u${String(position)}`,
    atMs: T0,
    activity: { kind: 'lifecycle', change: 'start', program: 'plimsoll-collector', version: '1' },
  });
  t.strictSame(await sink.send([other(1)]), { outcome: 'ok' });
  t.strictSame(sent, [], 'nothing was sent');
  outcome = { outcome: 'ok', acknowledged: 2 };
  t.strictSame(await sink.send([event(2), other(3), event(4)]), { outcome: 'ok', acknowledged: 2 });
  t.strictSame(sent, [[2, 4]]);
  t.strictSame(await sink.send([other(5)]), { outcome: 'ok', acknowledged: 2 }, 'event 4 is not acknowledged yet');
  outcome = { outcome: 'ok' };
  t.strictSame(await sink.send([]), { outcome: 'ok' }, 'an empty batch asks the sink');
  t.strictSame(await sink.send([other(6)]), { outcome: 'ok' });
});

void t.test('groups as a setting', (t) => {
  const { read } = eventGroups();
  const context = {} as never;
  t.strictSame(read('audit, findings', context), ['findings', 'audit']);
  t.strictSame(read('all', context), EVENT_GROUPS);
  for (const text of ['', 'findings,', 'finding', 'all,findings', 'findings,nothing'])
    t.equal(read(text, context), undefined, text);
  t.end();
});

void t.test('docs/events.md has a valid sample of each class and group', { skip }, (t) => {
  const page = readFileSync(join(ROOT, 'docs', 'events.md'), 'utf8');
  const block = /```ndjson\n([^`]*)```/.exec(page)?.[1] ?? '';
  const samples = block
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as OcsfEvent);
  const validate = readValidator(OCSF);
  for (const sample of samples) t.strictSame(validate(sample), [], String(sample['class_name']));
  t.equal(new Set(samples.map(({ metadata }) => (metadata as OcsfEvent)['uid'])).size, samples.length, 'own ids');
  const rows = [...page.matchAll(/^\| (\d{4}) [^|]*\| `(\w+)`/gm)];
  const inOrder = (classes: readonly string[]) => [...classes].toSorted();
  t.strictSame(
    inOrder(samples.map(({ class_uid }) => String(class_uid))),
    inOrder(rows.map(([, uid]) => uid ?? '')),
    'one for each row',
  );
  t.strictSame(inOrder([...new Set(rows.map(([, , group]) => group ?? ''))]), inOrder(EVENT_GROUPS));
  t.end();
});

void t.test('docs/events.md lists every rule with its technique', (t) => {
  const page = readFileSync(join(ROOT, 'docs', 'events.md'), 'utf8');
  for (const { id, title, check, attack } of DETECTION_RULES) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${id}\``)) ?? '';
    for (const text of [title, check ?? 'the collector', attack.id, attack.tactic.name])
      t.ok(row.includes(text), `${id}: ${text}`);
  }
  t.end();
});
