import { existsSync } from 'node:fs';
import t from 'tap';
import { toDenialRecord } from '../../admission/denial-record.ts';
import { createEventWriter } from '../../admission/event-writer.ts';
import { toDetectionFinding } from '../../policy/denial-record.ts';
import type { AdmissionRequest } from '../../admission/review.ts';
import type { RequestJudgement } from '../../admission/judge-request.ts';
import { decidePod } from '../../policy/pod/decide-pod.ts';
import { decide } from '../../policy/decide.ts';
import { evidence, NOW, policy } from '../fixture/image-evidence.ts';
import { readValidator } from '../collector/event/ocsf/validator.ts';
import { podPolicy, request } from '../fixture/admission-requests.ts';

const SCHEMA = new URL('../../../shared/ocsf/required.json', import.meta.url).pathname;
const context = { nowMs: NOW, id: 'e1', suppressed: 0 };
const object = { metadata: { generateName: 'db-' }, spec: { hostPID: true, containers: [{ image: 'alpine' }] } };

function detectionEvent(of: AdmissionRequest, judgement: RequestJudgement, id = 'e1') {
  const record = toDenialRecord(of, judgement, { ...context, id });
  return toDetectionFinding(record, { version: '0.1.0', uid: id, loggedMs: NOW });
}

function judgementOf(parts: Partial<RequestJudgement>): RequestJudgement {
  const decision = decidePod(
    { kind: 'Pod', object, namespace: 'prod-eu' },
    {
      podPolicies: [podPolicy({ podSecurity: { level: 'baseline' } })],
      placement: undefined,
      decideImage: (subject) => decide(subject, evidence(), [policy([])], NOW),
    },
  );
  return { allowed: false, decision, ...parts };
}

void t.test(
  'events are Detection Findings of OCSF 1.8',
  { skip: !existsSync(SCHEMA) && `${SCHEMA} is absent` },
  (t) => {
    const validate = readValidator(SCHEMA);
    for (const [judgement, action] of [
      [judgementOf({}), 'Denied'],
      [judgementOf({ allowed: true, breakGlass: 'outage' }), 'Allowed'],
      [judgementOf({ allowed: true }), 'Observed'],
    ] as const) {
      const event = detectionEvent(request({ object }), judgement);
      t.strictSame(validate(event), [], action);
      t.match(event, {
        action,
        class_uid: 2004,
        type_uid: 200_401,
        resources: [{ name: 'db-*', namespace: 'prod-eu' }],
      });
      t.match(event, { evidences: [{ actor: { user: { name: 'alice' } } }] });
    }
    t.end();
  },
);

void t.test('retries of a controller are one finding, other violations another', (t) => {
  const uid = (parts: Partial<RequestJudgement>, of: object = object): unknown =>
    (
      detectionEvent(request({ object: of }), judgementOf(parts), String(Math.random()))['finding_info'] as {
        uid: string;
      }
    ).uid;
  t.equal(uid({}), uid({}));
  t.not(uid({}), uid({ allowed: true }));
  t.not(uid({}), uid({}, { ...object, metadata: { generateName: 'web-' } }));
  t.end();
});

void t.test('a flood of events is limited and counted, and a reader that stops costs no memory', (t) => {
  const lines: string[] = [];
  const output = { write: (line: string) => lines.push(line), writableLength: 0 };
  let now = NOW;
  let reported = 0;
  const report = (): void => void (reported += 1);
  const writer = createEventWriter({ output, report, version: '0.1.0', now: () => now });
  const hostile = request({ object, name: `a\u202E${'x'.repeat(500)}` });
  const write = (): void => writer.write((given) => toDenialRecord(hostile, judgementOf({}), given));
  for (let index = 0; index < 1000; index += 1) write();
  t.equal(lines.length, 200);
  now += 1000;
  for (let index = 0; index < 1000; index += 1) write();
  t.equal(lines.length, 220);
  t.match(JSON.parse(lines[200] ?? ''), { unmapped: { suppressed: 800 } });
  t.match(lines[0], /^[ -~]+\n$/);
  now += 60_000;
  output.writableLength = 2 * 1024 * 1024;
  write();
  t.equal(lines.length, 220);
  t.equal(reported, 221, 'the collector gets what the log reader does not take');
  output.writableLength = 0;
  write();
  t.match(JSON.parse(lines[220] ?? ''), { unmapped: { suppressed: 981 } });
  t.ok((lines[0] ?? '').length < 16_000);
  t.end();
});
