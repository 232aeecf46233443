import { existsSync } from 'node:fs';
import t from 'tap';
import { authorize } from '../../../policy/docker/authorize.ts';
import { builtInPolicy } from '../../../policy/docker/container-policy.ts';
import { toDetectionFinding } from '../../../policy/denial-record.ts';
import { denialMessage, toDenialRecord } from '../../../policy/docker/denial.ts';
import type { Denial } from '../../../policy/docker/denial.ts';
import { readValidator } from '../../collector/event/ocsf/validator.ts';

const OCSF = new URL('../../../../shared/ocsf/required.json', import.meta.url).pathname;
const skip = existsSync(OCSF) ? false : 'the facts of the OCSF schema are absent';
const hostile = `/${'x'.repeat(3000)}\u001B[2J\u202E\n/../`;
const body = new TextEncoder().encode(
  JSON.stringify({ Image: 'a', HostConfig: { Binds: Array.from({ length: 50 }, () => `${hostile}:/x`) } }),
);
const authorization = authorize(
  { client: `ci\u001B${'y'.repeat(1000)}`, method: 'POST', target: '/containers/create', headers: {}, body },
  { policies: [builtInPolicy()], judgeImage: undefined, isCgroupV2: true },
);

const head = { id: 'u', atMs: 1_795_900_000_000, hostname: 'node-1', client: undefined, suppressed: 3, authorization };

function eventOf(denial: Denial) {
  return toDetectionFinding(toDenialRecord(denial), { version: '0.1.0', uid: denial.id, loggedMs: denial.atMs });
}

t.test('a denial is a valid OCSF Detection Finding', { skip }, (t) => {
  const validate = readValidator(OCSF);
  for (const client of [undefined, `ci\u001B${'y'.repeat(1000)}`])
    for (const isAllowed of [true, false]) {
      const event = eventOf({ ...head, client, authorization: { ...authorization, isAllowed } });
      t.strictSame(validate(event), []);
      t.equal(event['action'], isAllowed ? 'Observed' : 'Denied');
    }
  t.end();
});

t.test('what a client chooses is bounded and escaped', (t) => {
  const message = denialMessage(authorization);
  t.ok(message.length <= 1500, String(message.length));
  t.match(message, /^[\u0020-\u007E\u2026]+$/);
  const text = JSON.stringify(eventOf({ ...head, client: hostile, hostname: 'n', suppressed: 0 }));
  t.ok(text.length < 20_000, String(text.length));
  t.match(text, /^[\u0020-\u007E\u2026]+$/);
  t.end();
});
