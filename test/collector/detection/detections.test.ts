import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { keepDetections } from '../../../collector/detection/keep-detections.ts';
import { DETECTION_RULES } from '../../../collector/detection/rules.ts';
import { toOcsf } from '../../../collector/event/ocsf/ocsf.ts';
import { toFrame } from '../../../collector/sink/syslog-frame.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { isDetectionEvent } from '../../../collector/store/stored-event.ts';
import type { Store } from '../../../collector/store/store.ts';
import { SSH_KEY_CHECKS } from '../../../posture/check/ssh/key-checks.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import type { Finding } from '../../../posture/finding.ts';
import { judgeAll } from '../../../posture/judge.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { Evidence, Judgement } from '../../../posture/verdict.ts';
import { fromWire, toWire } from '../../../proto/finding-codec.ts';
import { ROOT } from '../../../scripts/setup.mjs';
import type { Logger } from '../../../service/log.ts';
import { readValidator } from '../event/ocsf/validator.ts';
import { account, accountsFact, factsOf, sshdFact } from '../../fixture/facts.ts';
import { containerFact } from '../../fixture/container.ts';
import type { ContainerOverrides } from '../../fixture/container.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { commit, finding, nodeRow, T0 } from '../store/fleet.ts';

t.setTimeout(200_000);

const OCSF = join(ROOT, '..', 'shared', 'ocsf', 'required.json');
const MINUTE = 60_000;
const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface Fleet {
  readonly store: Store;
  /** One delta of `n1`, at this minute. */
  readonly report: (minute: number, put: readonly Finding[], gone?: readonly string[]) => Promise<void>;
  readonly snapshot: (minute: number, put: readonly Finding[]) => Promise<void>;
  /** `rule subject` of each detection, oldest first. */
  readonly detected: () => Promise<readonly string[]>;
  readonly reopen: () => Promise<void>;
}

async function openFleet(t: Test): Promise<Fleet> {
  const path = join(t.testdir({}), 'store.sqlite');
  let store = await openSqliteStore({ path });
  t.teardown(() => store.close());
  let sequence = 0;
  const send = async (minute: number, put: readonly Finding[], gone: readonly string[], snapshot: boolean) => {
    const atMs = T0 + minute * MINUTE;
    sequence += 1;
    const [result] = await store.commit([
      commit({ sequence, put, gone, snapshot, observedAtMs: atMs, receivedAtMs: atMs }),
    ]);
    if (result?.outcome !== 'applied') throw new Error(String(result?.outcome));
  };
  return {
    get store() {
      return store;
    },
    report: (minute, put, gone = []) => send(minute, put, gone, false),
    snapshot: (minute, put) => send(minute, put, [], true),
    detected: async () =>
      (await store.detections({ limit: 1000 })).detections
        .map(({ detection: { rule, subject } }) => `${rule} ${subject.id}`)
        .toReversed(),
    reopen: async () => {
      await store.close();
      store = await openSqliteStore({ path });
    },
  };
}

const privileged = (on: string, over: Partial<Finding> = {}): Finding => finding({ on, ...over });
const ofNode = (check: string, over: Partial<Finding> = {}): Finding =>
  finding({ check, kind: 'node', on: 'n1', severity: 'high', ...over });
const piece = (source: string, seen: string): Evidence => ({ source, seen, expected: 'none' });
const passed = ofNode('kernel.selinux-enforcing', { verdict: 'pass' });

void t.test('a container that was there is no detection, one that starts is, once', async (t) => {
  const { report, snapshot, detected, reopen } = await openFleet(t);
  await snapshot(0, [privileged('old'), passed]);
  t.strictSame(await detected(), [], 'the first report of a node is the baseline');
  await report(1, [privileged('new')]);
  t.strictSame(await detected(), ['privileged-container new']);
  await report(2, [privileged('new', { evidence: [piece('/proc/9/status', 'CapEff: 1')] })]);
  await snapshot(3, [privileged('old'), privileged('new'), passed]);
  await reopen();
  await report(4, [privileged('new', { title: 'another title' })]);
  t.strictSame(await detected(), ['privileged-container new'], 'other evidence, a resync, a restart of the collector');
  await report(5, [privileged('new', { verdict: 'unknown', reason: 'EACCES' })]);
  await report(20, [privileged('new')]);
  t.strictSame(await detected(), ['privileged-container new'], 'what could not be read for a while is no new start');
  await report(30, [], ['container.privileged/container/new']);
  await report(31, [privileged('next')]);
  t.strictSame(await detected(), ['privileged-container new', 'privileged-container next'], 'another container');
});

void t.test('changes that a node sends before its first snapshot: what they are about was there', async (t) => {
  const { report, snapshot, detected } = await openFleet(t);
  await report(0, [privileged('one', { verdict: 'pass' }), finding({ check: 'image.setuid-files', on: 'i' })]);
  await report(1, [privileged('two')]);
  await snapshot(2, [privileged('one', { verdict: 'pass' }), privileged('two'), privileged('three')]);
  t.strictSame(await detected(), [], 'they all were there when the node was first seen');
  await report(3, [privileged('one'), privileged('four')]);
  t.strictSame(await detected(), ['privileged-container one', 'privileged-container four']);
});

void t.test('a change that is reported before the first snapshot is detected', async (t) => {
  const { report, snapshot, detected } = await openFleet(t);
  await report(0, [privileged('one', { verdict: 'pass' })]);
  await report(1, [privileged('one')]);
  await snapshot(2, [privileged('one')]);
  t.strictSame(await detected(), ['privileged-container one']);
});

void t.test(
  'what could not be read in the first report belongs to the baseline, in a later one it does not',
  async (t) => {
    const { store, report, snapshot, detected, reopen } = await openFleet(t);
    const unread = { verdict: 'unknown', reason: 'EACCES' } as const;
    await snapshot(0, [privileged('old', unread), passed]);
    await store.sweepDetections([], T0 + 30 * MINUTE);
    await reopen();
    await report(40, [privileged('new', unread)]);
    await report(41, [privileged('old', unread)]);
    await report(42, [privileged('old'), privileged('new')]);
    t.strictSame(await detected(), ['privileged-container new']);
    await report(60, [privileged('old', { verdict: 'notApplicable', reason: 'it does not run' })]);
    await report(80, [privileged('old')]);
    t.strictSame(await detected(), ['privileged-container new', 'privileged-container old'], 'it was started again');
  },
);

void t.test('one is found by its uid, which another store does not share', async (t) => {
  const { store, report, snapshot } = await openFleet(t);
  await snapshot(0, [passed]);
  await report(1, [privileged('a'), privileged('b')]);
  const [newest, oldest] = (await store.detections({ limit: 2 })).detections;
  const found = async (...ids: readonly string[]) =>
    (await store.detections({ limit: 10, ids })).detections.map(({ uid }) => uid);
  t.strictSame(await found(oldest?.uid ?? ''), [oldest?.uid]);
  t.strictSame(await found(newest?.uid ?? '', 'x', '-', '--', `${'z'.repeat(60)}-1`), [newest?.uid]);
  t.strictSame(await found((newest?.uid ?? '').replace(/^./, 'z')), [], 'the same position of another store');
  t.strictSame(await found(), []);
});

void t.test('a delta that comes again is none', async (t) => {
  const { store, detected } = await openFleet(t);
  const delta = commit({ sequence: 2, put: [privileged('new')], observedAtMs: T0, receivedAtMs: T0 });
  await store.commit([commit({ sequence: 1, snapshot: true, put: [passed] }), delta, delta]);
  await store.commit([delta]);
  t.strictSame(await detected(), ['privileged-container new']);
});

void t.test('a stopped container that is started again, and a failure that gets worse', async (t) => {
  const { report, snapshot, detected } = await openFleet(t);
  const milder = { severity: 'high' } as const;
  await snapshot(0, [passed]);
  await report(1, [privileged('c', milder)]);
  await report(2, [privileged('c')]);
  t.strictSame(await detected(), ['privileged-container c', 'privileged-container c'], 'worse');
  await report(3, [privileged('c', milder)]);
  await report(30, [privileged('c', { verdict: 'notApplicable', reason: 'it does not run' })]);
  t.equal((await detected()).length, 2, 'milder is nothing new');
  await report(60, [privileged('c')]);
  t.equal((await detected()).length, 3, 'started again');
});

void t.test('a container that is created is no detection, its start is one', async (t) => {
  const { report, snapshot, detected } = await openFleet(t);
  const check = CHECKS.find(({ id }) => id === 'container.privileged');
  const judged = (id: string, over: ContainerOverrides): Finding => {
    const containers = seen([containerFact({ id, declared: { privileged: true }, ...over })], 'test');
    const [found] = judgeAll(check === undefined ? [] : [check], factsOf({ containers })).values();
    if (found === undefined) throw new Error('not judged');
    return found;
  };
  const created = (id: string): Finding => judged(id, { pid: 0, state: 'created' });
  await snapshot(0, [passed]);
  await report(1, [created('c'), created('d')]);
  t.strictSame(await detected(), [], 'created only');
  await report(1, [judged('c', {})]);
  t.strictSame(await detected(), ['privileged-container c'], 'started');
  await report(2, [judged('d', { pid: 0, state: 'exited' })]);
  t.strictSame(await detected(), ['privileged-container c', 'privileged-container d'], 'over before it was inspected');
});

void t.test('new evidence of a list: accounts, keys, sessions, certificates', async (t) => {
  const { report, snapshot, detected } = await openFleet(t);
  const groups = (...names: readonly string[]): Finding =>
    ofNode('host.root-equivalent-groups', {
      evidence: names.map((name) => piece('/etc/group', `disk: "${name}"`)),
    });
  const keys = (...names: readonly string[]): Finding =>
    ofNode('ssh.authorized-key-strength', {
      verdict: 'pass',
      evidence: [
        piece('/etc/passwd', `${String(names.length)} keys`),
        ...names.map((name) =>
          piece(`/home/${name}`, `${name}: ssh-ed25519 256 bits SHA256:${'x'.repeat(43)}, no options`),
        ),
      ],
    });
  const sessions = (...pids: readonly number[]): Finding =>
    ofNode('ssh.root-session', {
      verdict: 'pass',
      evidence: [
        piece('/proc', `${String(pids.length)} sessions`),
        ...pids.map((pid) => piece(`/proc/${String(pid)}`, '"ada" since x')),
      ],
    });
  const certificates = (severity: 'high' | 'medium'): Finding =>
    ofNode('tls.certificate-validity', { severity, evidence: [piece('/etc/kubernetes/pki/a.crt', 'CN=a: until x')] });
  await snapshot(0, [groups('toor'), keys('ada'), sessions(7), certificates('medium')]);
  t.strictSame(await detected(), []);
  await report(1, [groups('toor', 'evil')]);
  await report(2, [keys('ada', 'mallory')]);
  await report(3, [sessions(7, 9)]);
  await report(4, [certificates('high')]);
  t.strictSame(await detected(), [
    'root-group-member-added n1',
    'ssh-key-added n1',
    'ssh-session n1',
    'certificate-expired n1',
  ]);
  await report(5, [groups('toor'), keys('ada'), sessions()]);
  t.equal((await detected()).length, 4, 'what goes is none');
  await report(60, [groups('toor', 'evil')]);
  t.equal((await detected()).length, 5, 'added again');
});

/** What the check of SSH keys says about accounts with these fingerprints; undefined: the keys cannot be read. */
function keysFinding(accounts: Readonly<Record<string, readonly string[] | undefined>>): Finding {
  const check = SSH_KEY_CHECKS.find(({ id }) => id === 'ssh.authorized-key-strength');
  const users = Object.entries(accounts).map(([name, fingerprints]) => {
    const path = `/home/${name}/.ssh/authorized_keys`;
    const key = (fingerprint: string) => ({ type: 'ssh-ed25519', bits: 256, fingerprint, options: [], path });
    const authorizedKeys =
      fingerprints === undefined
        ? unreadable(path, 'a symbolic link is not followed')
        : seen(fingerprints.map(key), path);
    return account({ name, authorizedKeys });
  });
  const facts = {
    accounts: accountsFact({ users: seen(users, '/etc/passwd') }),
    sshd: sshdFact({ present: seen('running', '/proc/611') }),
  };
  const judgement = check?.judge(facts as never) as Judgement;
  // As the wire carries it: at most 32 pieces.
  const outcome = fromWire(toWire(ofNode('ssh.authorized-key-strength', judgement)));
  if (!outcome.ok) throw new Error(outcome.problem);
  return outcome.finding;
}

/** The fingerprint of a key, as OpenSSH writes it. */
const fingerprint = (name: string): string => `SHA256:${hash('sha256', name, 'base64').replace(/=+$/, '')}`;
const manyKeys = (prefix: string, length: number): readonly string[] =>
  Array.from({ length }, (_, index) => fingerprint(`${prefix}${String(index)}`));

void t.test('attack: many keys before it, or an account whose keys cannot be read, hide no new key', async (t) => {
  const { store, report, snapshot } = await openFleet(t);
  const team = manyKeys('team', 200);
  const added = async (): Promise<readonly string[]> =>
    (await store.detections({ limit: 100, rules: ['ssh-key-added'] })).detections.flatMap(({ detection }) =>
      detection.evidence.map(({ seen }) => seen),
    );
  await snapshot(0, [keysFinding({ ada: team.slice(0, 20), zed: [] })]);
  await report(1, [keysFinding({ ada: team, zed: [] })]);
  t.equal((await added()).length, 8, 'of many at once, the first');
  const before = await added();
  await report(30, [keysFinding({ ada: team, zed: [fingerprint('evil')] })]);
  t.strictSame((await added()).slice(0, 1), [`zed: ssh-ed25519 256 bits ${fingerprint('evil')}, no options`]);
  await report(45, [keysFinding({ ada: [...team, fingerprint('last')], zed: [fingerprint('evil')] })]);
  t.strictSame(
    (await added()).slice(0, 1),
    [`ada: ${fingerprint('last').slice(0, 23)}, no options`],
    'the 201st of ada',
  );
  await report(60, [keysFinding({ ada: team.slice(100), zed: [fingerprint('evil')] })]);
  t.equal((await added()).length, before.length + 2, 'fewer keys: the others are listed in full, and none is new');
  // Any user can make the keys of the own account unreadable.
  await report(90, [keysFinding({ ada: undefined, zed: [fingerprint('evil')] })]);
  await report(120, [keysFinding({ ada: undefined, zed: [fingerprint('evil'), fingerprint('more')] })]);
  t.match((await added())[0], fingerprint('more'));
  await report(150, [keysFinding({ ada: team.slice(100), zed: [fingerprint('evil'), fingerprint('more')] })]);
  t.equal((await added()).length, before.length + 3, 'those that could not be read for a while are not new');
});

void t.test('security modules, and a new port of Docker', async (t) => {
  const { report, snapshot, detected } = await openFleet(t);
  await snapshot(0, [passed]);
  await report(1, [ofNode('kernel.selinux-enforcing', { severity: 'medium' })]);
  t.strictSame(await detected(), [], 'enforcing now, but not after the next boot');
  await report(2, [ofNode('kernel.selinux-enforcing')]);
  const port = finding({ check: 'tls.docker-client-cert', kind: 'listener', on: 'tcp:0.0.0.0:2376', verdict: 'pass' });
  await report(3, [
    port,
    finding({ check: 'tls.docker-client-cert', kind: 'node', on: 'n1', verdict: 'notApplicable', reason: 'no port' }),
  ]);
  t.strictSame(await detected(), ['lsm-permissive n1', 'docker-port-opened tcp:0.0.0.0:2376']);
});

void t.test('a check that is new for an old subject says what was there', async (t) => {
  const { report, snapshot, detected } = await openFleet(t);
  await snapshot(0, [finding({ check: 'container.read-only-root', on: 'c', verdict: 'pass' })]);
  await report(120, [finding({ check: 'container.seccomp-filter', on: 'c', severity: 'high' })]);
  t.strictSame(await detected(), []);
  await report(121, [finding({ check: 'container.seccomp-filter', on: 'd', severity: 'high' })]);
  t.strictSame(await detected(), ['seccomp-disabled d']);
});

void t.test(
  'attack: neither volume nor flapping hides a detection of another rule, and both are counted',
  async (t) => {
    const { store, report, snapshot, detected } = await openFleet(t);
    await snapshot(0, [passed]);
    await report(
      1,
      Array.from({ length: 200 }, (_, index) => privileged(`decoy-${String(index)}`)),
    );
    t.equal((await detected()).length, 20, 'a bounded number of one rule');
    await report(2, [finding({ check: 'container.runtime-socket', on: 'real' })]);
    t.strictSame((await detected()).slice(20), ['runtime-socket-mounted real']);
    await report(3, [finding({ check: 'container.runtime-socket', on: 'real', verdict: 'pass' })]);
    for (let minute = 3; minute < 8; minute += 1)
      for (const verdict of ['fail', 'pass'] as const)
        await report(minute, [finding({ check: 'container.runtime-socket', on: 'real', verdict })]);
    t.equal((await detected()).length, 21, 'a state that flaps');
    await store.sweepDetections([], T0 + 5 * MINUTE);
    t.equal((await detected()).length, 21, 'the window is not over');
    await store.sweepDetections([], T0 + 20 * MINUTE);
    const { detections } = await store.detections({ limit: 2 });
    t.match(
      detections.map(({ detection }) => [detection.rule, detection.suppressed]),
      [
        ['runtime-socket-mounted', 5],
        ['privileged-container', 180],
      ],
      'those without an event are counted',
    );
    await store.sweepDetections([], T0 + 40 * MINUTE);
    t.equal((await detected()).length, 23, 'once');
  },
);

void t.test('an agent that is silent, once for each silence', async (t) => {
  const { store, detected, reopen } = await openFleet(t);
  await store.putNodes([nodeRow()]);
  const silent = (sinceMs: number) => [{ nodeId: 'n1', nodeName: 'web-1', sinceMs }];
  t.ok((await store.sweepDetections(silent(T0), T0 + 5 * MINUTE)) > 0);
  t.equal(await store.sweepDetections(silent(T0), T0 + 6 * MINUTE), 0);
  await reopen();
  t.strictSame(await detected(), ['agent-silent n1']);
});

void t.test('silence is measured whatever the wall clock does', async (t) => {
  const AFTER_MS = 5 * MINUTE;
  const cases = [
    { name: 'silent', jumpMs: 0, isHeard: false, expected: true },
    { name: 'heard of', jumpMs: 0, isHeard: true, expected: false },
    { name: 'set ahead, or a machine that was suspended', jumpMs: 8 * 60 * MINUTE, isHeard: true, expected: false },
    { name: 'set back', jumpMs: -8 * 60 * MINUTE, isHeard: false, expected: true },
  ];
  for (const { name, jumpMs, isHeard, expected } of cases) {
    const clock = createFakeClock(T0);
    const stop = new AbortController();
    let row = nodeRow({ lastSeenMs: T0 - 24 * 60 * MINUTE });
    const reported: string[] = [];
    const over = keepDetections({
      nodes: () => [row, nodeRow({ id: 'expected', lastSeenMs: 0 })],
      store: { sweepDetections: (silent) => Promise.resolve(reported.push(...silent.map(({ nodeId }) => nodeId))) },
      eventBus: { announce: () => undefined },
      silentAfterMs: AFTER_MS,
      intervalMs: 30_000,
      clock,
      log: SILENT,
      signal: stop.signal,
    });
    await clock.advance(AFTER_MS - MINUTE);
    t.strictSame(reported, [], `${name}: each node gets the time from the start of the collector`);
    clock.jump(jumpMs);
    if (isHeard) row = { ...row, lastSeenMs: clock.now() - 1000 };
    await clock.advance(2 * MINUTE);
    t.strictSame([...new Set(reported)], expected ? ['n1'] : [], name);
    stop.abort();
    await over;
  }
});

void t.test('a node that is removed and comes back begins with a baseline', async (t) => {
  const { store, detected } = await openFleet(t);
  await store.commit([commit({ sequence: 1, snapshot: true, put: [privileged('a')] })]);
  await store.removeNode('n1', T0 + 1);
  await store.commit([commit({ epoch: 'e2', sequence: 1, snapshot: true, put: [privileged('a')] })]);
  t.strictSame(await detected(), []);
});

void t.test('hostile texts and secrets, as OCSF and in a small syslog message', async (t) => {
  const skip = !existsSync(OCSF);
  const validate = skip ? () => [] : readValidator(OCSF);
  const { store, snapshot, report } = await openFleet(t);
  await snapshot(0, [passed]);
  const evil = '\u202e\u0000\ud800"]|='.repeat(2000);
  const secret = 'password=hunter2hunter2';
  await report(1, [
    privileged(evil, {
      reason: secret,
      evidence: [piece(evil, `docker run -e ${secret}`), ...Array.from({ length: 20 }, () => piece(evil, evil))],
    }),
  ]);
  const event = (await store.outbox(0, 100)).find(isDetectionEvent);
  if (event === undefined) throw new Error('no detection');
  const checks = new Map(CHECKS.map((check) => [check.id, check]));
  const ocsf = toOcsf(event, { version: '0.1.0', checks, node: () => nodeRow(), nowMs: T0 + MINUTE });
  const text = JSON.stringify(ocsf);
  t.notMatch(text, /hunter2/);
  t.strictSame(validate(JSON.parse(text)), []);
  t.ok(toFrame(event, ocsf, { facility: 'local0', maxBytes: 8000, procId: '1' }));
  t.match(ocsf, {
    class_uid: 2004,
    is_alert: true,
    finding_info: {
      attacks: [{ technique: { uid: 'T1611', name: 'Escape to Host' }, tactic: { uid: 'TA0004' } }],
    },
  });
});

void t.test('every rule names a check that exists, and a technique', (t) => {
  const ids = DETECTION_RULES.map(({ id }) => id);
  t.strictSame(ids, [...new Set(ids)].toSorted());
  for (const { id, check, trigger, attack } of DETECTION_RULES) {
    t.equal(check === undefined, trigger === undefined, id);
    if (check !== undefined)
      t.ok(
        CHECKS.some((one) => one.id === check),
        `${id}: ${check}`,
      );
    t.match(attack.id, /^T\d{4}(?:\.\d{3})?$/, id);
    t.match(attack.tactic.id, /^TA\d{4}$/, id);
  }
  t.end();
});
