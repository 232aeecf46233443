import { existsSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { toFrame } from '../../../collector/sink/syslog-frame.ts';
import { shorterVersions } from '../../../collector/event/ocsf/shorter.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { StoredEvent } from '../../../collector/store/stored-event.ts';
import { denialRecord } from '../../fixture/denial.ts';
import { VERDICTS, SEVERITIES } from '../../../posture/verdict.ts';
import { finding, T0 } from '../store/fleet.ts';
import { event, ocsfOf } from './events.ts';
import { readValidator } from '../event/ocsf/validator.ts';
import { frameReader, parseMessage } from './rfc5424.ts';

const OCSF = new URL('../../../../shared/ocsf/required.json', import.meta.url).pathname;
const validate = existsSync(OCSF) ? readValidator(OCSF) : undefined;
const OPTIONS = { facility: 'local0', maxBytes: 8000, procId: '4711' } as const;

/** The message of an event, held to its limit, and its OCSF event. */
function message(one: StoredEvent, maxBytes = 8000) {
  const frame = toFrame(one, ocsfOf(one), { ...OPTIONS, maxBytes });
  if (frame === undefined) return undefined;
  const [bytes, ...others] = frameReader()(frame);
  if (bytes === undefined || others.length > 0 || bytes.length > maxBytes) throw new Error('not one frame in bounds');
  const parsed = parseMessage(bytes);
  const ocsf = JSON.parse(parsed.text) as OcsfEvent;
  const problems = validate?.(ocsf) ?? [];
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return { ...parsed, ocsf, bytes: bytes.length };
}

await t.test('what a receiver sees of an event', async (t) => {
  const one = event(7, finding({ severity: 'high' }));
  const found = message(one);
  t.same(found?.ocsf, JSON.parse(JSON.stringify(ocsfOf(one))), 'the text is the event that every sink writes');
  t.match(found, {
    facility: 16,
    severity: 3,
    timestamp: new Date(T0).toISOString(),
    hostname: 'web-1',
    appName: 'plimsoll',
    procId: '4711',
    msgId: 'finding-opened',
  });
  t.same(Object.fromEntries(found?.elements.get('plimsoll@32473') ?? []), {
    node: 'n1',
    name: 'web-1',
    uid: 'store-7-time',
    check: 'container.privileged',
    verdict: 'fail',
    action: 'opened',
  });
  // OCSF severity → syslog severity: Critical 2, High 3, Medium 4, Low 5, Informational 6.
  const severities = SEVERITIES.map((severity) => message(event(1, finding({ severity })))?.severity);
  t.same(Object.fromEntries(SEVERITIES.map((severity, index) => [severity, severities[index]])), {
    critical: 2,
    high: 3,
    medium: 4,
    low: 5,
    info: 6,
  });
  t.ok((found?.bytes ?? 8000) < 4000, 'an event as it usually is fits whole');
});

await t.test('too large: first without what the check id leads to, then shorter, then a summary', async (t) => {
  const evidence = (count: number, bytes: number) =>
    Array.from({ length: count }, (_, index) => ({
      source: `/proc/${String(index)}/status`,
      seen: 'é"\u0007'.repeat(bytes / 4),
      expected: 'x',
    }));
  const whole = ocsfOf(event(1));
  const size = message(event(1))?.bytes ?? 0;
  const trimmed = message(event(1), size - 1);
  t.same(trimmed?.ocsf['evidences'], JSON.parse(JSON.stringify(whole['evidences'])), 'all that was seen is there');
  t.notOk(trimmed?.ocsf['remediation']);
  t.match(trimmed?.ocsf, { metadata: { is_truncated: true, untruncated_size: 3, uid: 'store-1-time' } });

  const many = message(event(1, { evidence: evidence(200, 20) }), 20_000);
  t.match(many?.ocsf['evidences'], { length: 50 });
  const long = message(event(1, { evidence: evidence(2, 100_000) }));
  t.match(long?.ocsf['evidences'], { length: 2 });
  t.match(JSON.stringify(long?.ocsf['evidences']), /…"/);

  const summary = message(event(1, { evidence: evidence(500, 4000), reason: 'r'.repeat(100_000) }), 2048);
  t.notOk(summary?.ocsf['evidences']);
  t.match(summary?.ocsf, {
    metadata: { uid: 'store-1-time', is_truncated: true },
    finding_info: { uid: '0cb3acb61f91ca4d1bf92fb1fbd6ad1f', analytic: { uid: 'container.privileged' } },
    compliance: { status_id: 3 },
    device: { uid: 'n1', name: 'web-1' },
    resources: [{ uid: 'c1', name: 'name-of-c1', type: 'container' }],
    unmapped: { verdict: 'fail' },
  });
  const subject = { kind: 'file', id: `/${'d/'.repeat(2000)}`, name: '' } as const;
  t.match(message(event(1, { subject, evidence: evidence(50, 400) }), 2048)?.ocsf['resources'], [
    { uid: undefined, name: /…$/, type: 'file' },
  ]);
});

await t.test('any event gives a valid OCSF event within the limit, or nothing at all', async (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: 'grapheme', maxLength: 40 }).map((one) => one.repeat(200)),
  );
  const any = fc.record({
    nodeId: fc.string({ maxLength: 40 }),
    nodeName: text,
    title: text,
    reason: text,
    verdict: fc.constantFrom(...VERDICTS),
    severity: fc.constantFrom(...SEVERITIES),
    evidence: fc.array(fc.record({ source: text, seen: text, expected: text }), { maxLength: 30 }),
    subject: fc.record({ kind: fc.constantFrom('container', 'file', 'node'), id: text, name: text }),
  });
  let [none, some] = [0, 0];
  fc.assert(
    fc.property(any, fc.integer({ min: 2048, max: 20_000 }), (over, maxBytes) => {
      const found = message(event(1, over), maxBytes);
      if (found === undefined) none += 1;
      else some += 1;
      return found === undefined || found.elements.get('plimsoll@32473')?.get('uid') === 'store-1-time';
    }),
    { numRuns: 60 },
  );
  t.equal(none, 0, 'at the least limit that can be set, everything fits');
  t.ok(some > 0);
  t.equal(message(event(1), 300), undefined, 'below it, nothing is sent rather than a part');
});

await t.test('what programs, users and nodes report fits too, in every format', async (t) => {
  const uids = new Set<unknown>();
  for (const character of ['a', '"', 'é', '😀', '\u202e', '\0', '\ud800']) {
    const text = (length: number, end = ''): string =>
      character.repeat((length - end.length) / character.length).concat(end);
    const reasons = Array.from({ length: 20 }, (_, index) => ({
      code: text(128, String(index)),
      field: text(256),
      text: text(512),
    }));
    const claims = { namespace: text(253), operation: text(512), user: text(512), breakGlass: text(512), reasons };
    const denial = {
      ...claims,
      kind: text(253),
      requestUid: text(64),
      policies: Array.from({ length: 16 }, () => text(253)),
    };
    const workload = { kind: text(64), namespace: text(253), name: text(253), uid: text(64) };
    const step = { id: text(64), stepId: text(64), atMs: T0, policy: text(253), note: text(1024), by: text(512) };
    const head = { position: 1, uid: 'f831c9d1355e-5zh-mx20etq7', atMs: T0 };
    const source = { source: text(512), reporter: text(253) };
    const large: readonly StoredEvent[] = [
      { ...head, ...source, denial: denialRecord({ ...denial, id: 'd'.repeat(64), name: text(256, '1') }) },
      { ...head, ...source, denial: denialRecord({ ...denial, name: text(256, '2'), program: 'authz' }) },
      { ...head, remediation: { ...step, action: 'proposePatch', state: 'failed', workload } },
      { ...head, operation: 'session', nodeId: text(256), address: '2001:db8::1', reason: text(1024), suppressed: 0 },
    ];
    for (const one of large) {
      for (const maxBytes of [2048, 8000])
        t.ok(message(one, maxBytes), `${JSON.stringify(character)} ${String(maxBytes)}`);
      for (const format of ['ecs', 'cef', 'leef', 'cloudevents', 'falco'] as const)
        t.ok(toFrame(one, ocsfOf(one), { ...OPTIONS, format }), format);
      if ('denial' in one) uids.add((ocsfOf(one)['finding_info'] as OcsfEvent)['uid']);
    }
  }
  t.equal(uids.size, 14, 'findings about different objects have different uids, however long their names are');
});

await t.test(
  'every shorter version is valid, and shorter',
  { skip: validate === undefined && 'no schema' },
  async (t) => {
    for (const action of ['opened', 'changed', 'resolved'] as const)
      for (const verdict of VERDICTS) {
        const ocsf = ocsfOf(event(1, { verdict, reason: 'why' }, { action, previousVerdict: 'fail' }));
        let size = Buffer.byteLength(JSON.stringify(ocsf));
        for (const shorter of shorterVersions(ocsf)) {
          t.same(validate?.(JSON.parse(JSON.stringify(shorter))), [], `${action} ${verdict}`);
          const next = Buffer.byteLength(JSON.stringify(shorter));
          t.ok(next <= size, 'not longer');
          size = next;
        }
      }
  },
);
