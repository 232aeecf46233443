import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { REMEDIATION_ACTIONS, STEP_STATES } from '../../../../api/rollout.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import { SUBJECT_KINDS } from '../../../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../../../posture/verdict.ts';
import { toLine } from '../../../../collector/event/line.ts';
import { toOcsf } from '../../../../collector/event/ocsf/ocsf.ts';
import type { OcsfContext, OcsfEvent } from '../../../../collector/event/ocsf/ocsf.ts';
import type { StoredFinding } from '../../../../collector/store/store.ts';
import type { FindingAction, OutboxEvent, StoredEvent } from '../../../../collector/store/stored-event.ts';
import { viewOf } from '../../../../collector/event/view/view.ts';
import { denialRecord } from '../../../fixture/denial.ts';
import { finding, nodeRow, T0 } from '../../store/fleet.ts';
import { readValidator } from './validator.ts';

const OCSF = new URL('../../../../../shared/ocsf/', import.meta.url).pathname;
const skip = existsSync(`${OCSF}required.json`) ? false : 'the facts of the OCSF schema are absent';
const context: OcsfContext = {
  version: '0.1.0',
  checks: new Map(CHECKS.map((check) => [check.id, check])),
  node: (nodeId) => (nodeId === 'n1' ? nodeRow() : undefined),
  nowMs: T0 + 60_000,
};

function event(action: FindingAction, over: Partial<StoredFinding> = {}, more: Partial<OutboxEvent> = {}): OutboxEvent {
  const stored: StoredFinding = {
    ...finding(),
    uid: '0cb3acb61f91ca4d1bf92fb1fbd6ad1f',
    nodeId: 'n1',
    nodeName: 'web-1',
    firstSeenMs: T0,
    changedMs: T0 + 1000,
    ...over,
  };
  return { position: 7, uid: 'store-7-time', action, atMs: T0 + 1000, finding: stored, ...more };
}

/** A copy of `event` with one value set, or removed (undefined). Path: `device.os.name`, `resources.0`. */
function changed(event: OcsfEvent, path: string, value: unknown): OcsfEvent {
  const copy = structuredClone(event) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const holder = keys.reduce((inner, key) => inner[key] as Record<string, unknown>, copy);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

await t.test('the validator itself: accepts the samples, refuses what is wrong with them', { skip }, async (t) => {
  const validate = readValidator(`${OCSF}required.json`);
  const samples = readFileSync(`${OCSF}samples.ndjson`, 'utf8').trim().split('\n');
  t.ok(samples.length >= 9);
  for (const sample of samples) {
    const parsed = JSON.parse(sample) as OcsfEvent;
    t.same(validate(parsed), [], `class ${String(parsed['class_uid'])}`);
  }
  const mutants: readonly (readonly [name: string, path: string, value: unknown, expected: RegExp])[] = [
    ['no finding_info', 'finding_info', undefined, /finding_info is required/],
    ['no nested uid', 'finding_info.uid', undefined, /finding_info\.uid is required/],
    ['unknown attribute', 'surprise', 1, /surprise is unknown/],
    ['unknown nested attribute', 'device.os.flavour', 'x', /device\.os\.flavour is unknown/],
    ['text for a number', 'severity_id', '4', /severity_id is no integer/],
    ['a value for a list', 'compliance.standards', 'CIS', /standards is no list/],
    ['outside the enumeration', 'status_id', 42, /status_id has no 42/],
    ['text beside the wrong number', 'severity', 'Low', /severity_id says High/],
    ['99 without its text', 'compliance', { status_id: 99 }, /99 and its text is missing/],
    [
      '99 with a text of the enumeration',
      'compliance',
      { status_id: 99, status: 'Other' },
      /99 and its text is missing/,
    ],
    ['wrong type_uid', 'type_uid', 200_302, /type_uid is wrong/],
    ['wrong category', 'category_uid', 5, /category_uid is wrong/],
    ['seconds', 'time', 1_789_000_000, /time is not in milliseconds/],
    ['nested seconds', 'finding_info.first_seen_time', 1_789_000_000, /not in milliseconds/],
    ['deprecated', 'resource', { name: 'x' }, /resource is deprecated/],
    ['attribute of a profile', 'device.container', { uid: 'x' }, /needs the profile container/],
    ['constraint', 'resources.0', { type: 'x' }, /has none of name, uid/],
    ['wrong version', 'metadata.version', '1.7.0', /version/],
    ['beyond 32 bits', 'metadata.sequence', 2 ** 31, /out of range/],
    ['an address that is none', 'device.ip', 'here', /wrong form/],
    ['a class that is deprecated', 'class_uid', 5002, /deprecated/],
    ['a class that does not exist', 'class_uid', 9999, /no class/],
  ];
  const sample = JSON.parse(samples[0] ?? '') as OcsfEvent;
  for (const [name, path, value, expected] of mutants)
    t.match(validate(changed(sample, path, value)).join('\n'), expected, name);
});

await t.test('every event is OCSF 1.8: actions, verdicts, severities, subjects', { skip }, async (t) => {
  const validate = readValidator(`${OCSF}required.json`);
  let count = 0;
  for (const action of ['opened', 'changed', 'resolved'] as const)
    for (const verdict of VERDICTS)
      for (const kind of SUBJECT_KINDS)
        for (const severity of SEVERITIES) {
          const reason = verdict === 'fail' || verdict === 'pass' ? {} : { reason: 'not to be seen' };
          const on = finding({ kind, verdict, severity, ...reason });
          const previous = action === 'opened' ? {} : { previousVerdict: 'fail' as const };
          for (const nodeId of ['n1', 'unknown'])
            for (const evidence of [on.evidence, []]) {
              const made = toOcsf(event(action, { ...on, evidence, nodeId }, previous), context);
              count += 1;
              const problems = validate(JSON.parse(toLine(made)));
              if (problems.length > 0) t.same(problems, [], `${action} ${verdict} ${kind} ${severity}`);
            }
        }
  t.equal(count, 3 * 5 * 6 * 5 * 4, 'all of them');
  for (const check of CHECKS) {
    const { id, title, severity } = check;
    const problems = validate(toOcsf(event('opened', finding({ check: id, title, severity })), context));
    if (problems.length > 0) t.same(problems, [], id);
  }
  t.pass(`and one for each of ${String(CHECKS.length)} checks`);
});

await t.test('what programs report is OCSF 1.8, whatever they claim', { skip }, (t) => {
  const validate = readValidator(`${OCSF}required.json`);
  const head = { position: 1, uid: 'u', atMs: T0 };
  const valid = (one: StoredEvent): OcsfEvent => {
    const made = toOcsf(one, context);
    t.strictSame(validate(JSON.parse(toLine(made))), [], String(made['message']));
    return made;
  };
  const workload = { kind: 'Deployment', namespace: 'shop', name: 'db', uid: 'u1' };
  for (const action of REMEDIATION_ACTIONS)
    for (const state of STEP_STATES) {
      const remediation = { id: 'r', stepId: 's', atMs: T0, policy: 'p', action, state, note: '', workload, by: 'ops' };
      valid({ ...head, remediation });
    }
  const day = 86_400_000;
  const times = [
    [T0 - 29 * day, T0 - 29 * day, 'the program waited for the collector'],
    [T0 + day / 2, T0 + day / 2, 'its clock is ahead'],
    [0, T0, 'before everything'],
    [T0 - 31 * day, T0, 'too old'],
    [8.64e15 + 1, T0, 'no date has it'],
    [Number.MAX_SAFE_INTEGER, T0, 'the largest number'],
  ] as const;
  for (const [atMs, expected, why] of times)
    for (const program of ['admission', 'authz'] as const) {
      const reasons = [{ code: '', field: '', text: '' }];
      const denial = denialRecord({ program, atMs, reasons, suppressed: Number.MAX_SAFE_INTEGER });
      const made = valid({ ...head, source: 'token webhook', reporter: 'x', denial });
      t.match(made, { time: expected, count: 2 ** 31 - 1, finding_info: { created_time: expected, types: [] } }, why);
      for (const format of ['ecs', 'cef', 'leef', 'cloudevents', 'falco'] as const)
        t.doesNotThrow(() => viewOf(format)(made), format);
    }
  for (const address of ['192.0.2.7', '2001:db8::7', ''])
    valid({ ...head, operation: 'enroll', nodeId: '', address, reason: 'expired', suppressed: 2 ** 40 });
  t.end();
});

await t.test('what an event says', async (t) => {
  const opened = toOcsf(event('opened'), context);
  t.match(opened, {
    class_uid: 2003,
    activity_id: 1,
    type_uid: 200_301,
    time: T0 + 1000,
    severity_id: 5,
    status_id: 1,
    metadata: { uid: 'store-7-time', version: '1.8.0', sequence: 7, product: { name: 'Plimsoll', version: '0.1.0' } },
    finding_info: { uid: '0cb3acb61f91ca4d1bf92fb1fbd6ad1f', first_seen_time: T0, modified_time: T0 + 1000 },
    compliance: { status_id: 3, status: 'Fail' },
    device: { uid: 'n1', name: 'web-1', os: { type_id: 200, name: 'Debian GNU/Linux 13', kernel_release: '6.12.9' } },
    resources: [{ uid: 'c1', name: 'name-of-c1', type: 'container', role_id: 3 }],
    unmapped: { verdict: 'fail' },
  });
  t.match(opened, {
    evidences: [
      {
        data: { source: '/proc/4121/status', seen: 'CapEff: 000001ffffffffff' },
        container: { uid: 'c1', runtime: 'docker', image: { uid: 'sha256:aa', name: 'shop:1' } },
      },
    ],
    remediation: { desc: /\w/ },
  });
  // CIS Docker 1.8, 5.5: no privileged containers.
  t.match(JSON.stringify(opened['compliance']), /"cis-docker-1\.8\.0 5\.5"/);
  const updated = toOcsf(event('changed', {}, { previousVerdict: 'unknown' }), context);
  t.match(updated, { activity_id: 2, status_id: 2, unmapped: { previous_verdict: 'unknown' } });
  const fixed = toOcsf(event('resolved', { verdict: 'pass' }, { previousVerdict: 'fail' }), context);
  t.match(fixed, { activity_id: 3, status_id: 4, status_detail: 'fixed', compliance: { status_id: 1 } });
  const gone = toOcsf(event('resolved', {}, { previousVerdict: 'fail' }), context);
  const removed = toOcsf(event('resolved', {}, { previousVerdict: 'fail', cause: 'nodeRemoved' }), context);
  t.match(removed, {
    status_detail: 'the node was removed',
    unmapped: { verdict: 'fail', previous_verdict: 'fail', cause: 'nodeRemoved' },
  });
  t.match(gone, { status_id: 4, status_detail: 'the container is gone', compliance: { status_id: 3 } });
  const again = toOcsf(event('opened'), { ...context, nowMs: T0 + 90_000 });
  t.same(changed(again, 'metadata.logged_time', 0), changed(opened, 'metadata.logged_time', 0), 'sent again, the same');
});

await t.test('controls never leave as they are', async (t) => {
  const evil = '\u0000\u001b[31m\u009b2J\u007f\u2028</script>\ud800';
  const made = toOcsf(event('opened', finding({ on: evil, title: evil, reason: evil })), context);
  const line = toLine(made);
  t.equal(line.indexOf('\n'), line.length - 1, 'one line');
  // oxlint-disable-next-line no-control-regex -- this is what is looked for
  t.notMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800]/);
  t.match(JSON.parse(line), { resources: [{ uid: evil }] }, 'and nothing is lost');
});
