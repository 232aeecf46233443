import t from 'tap';
import { environmentSecret } from '../../../../posture/check/image/environment-secret.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { secretVariables } from '../../../../posture/redaction/secret-variables.ts';
import { factsOf, imageFact } from '../../../fixture/facts.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';

const SOURCE = 'inspect Config.Env';
const environment = (...entries: readonly string[]) => ({ environmentSecrets: secretVariables(entries, SOURCE) });

judgeImages(t, environmentSecret, [
  { name: 'no environment', image: { environmentSecrets: absent(SOURCE) }, verdict: 'notApplicable' },
  { name: 'an empty one', image: environment(), verdict: 'pass' },
  { name: 'not readable', image: { environmentSecrets: unreadable(SOURCE, 'no answer') }, verdict: 'unknown' },
  {
    name: 'settings',
    image: environment('PATH=/usr/bin', 'LANG=C.UTF-8', 'DB_PASSWORD_FILE=/run/secrets/db', 'TOKEN='),
    verdict: 'pass',
  },
  {
    name: 'by its name',
    image: environment('PATH=/usr/bin', 'DB_PASSWORD=hunter2Xq7vT2'),
    verdict: 'fail',
    seen: ['a value of DB_PASSWORD'],
  },
  {
    name: 'by its form, two of them',
    image: environment('ORIGIN=https://bot:hunter2@git.example/shop', 'ID=AKIAIOSFODNN7EXAMPLE'),
    verdict: 'fail',
    seen: ['a value of ID', 'a value of ORIGIN'],
  },
  {
    name: 'too long to look at',
    image: environment('PATH=/usr/bin', `X=${'x'.repeat(2 * 1024 * 1024)}`),
    verdict: 'unknown',
  },
]);

void t.test('no value and no name that is a secret is kept', (t) => {
  const secret = 'ghp_0123456789abcdefghijklmnopqrstuvwxAB';
  for (const entry of [`GITHUB_TOKEN=${secret}`, secret, `${secret}=x`, `A=${secret}\nB=1`, `X Y=Bearer ${secret}`]) {
    const image = imageFact(environment(entry));
    const judgement = environmentSecret.judge(image, factsOf());
    t.equal(judgement.verdict, 'fail', entry);
    t.notMatch(JSON.stringify([image, judgement]), secret.slice(8), entry);
  }
  t.end();
});

void t.test('names of an attacker: control characters, many and long ones', (t) => {
  const many = Array.from({ length: 5000 }, (_, index) => `PASSWORD_${String(index).padStart(4, '0')}=hunter2Xq7vT2`);
  const hostile = [
    '\u001B[31mPASSWORD=hunter2Xq7vT2',
    `${'x'.repeat(100_000)}_PASSWORD=hunter2Xq7vT2`,
    '\uD800_TOKEN=hunter2Xq7',
  ];
  const observed = secretVariables([...many, ...hostile], SOURCE);
  t.equal(observed.state, 'seen');
  if (observed.state !== 'seen') return;
  t.equal(observed.value.length, 256);
  t.ok(observed.value.every((name) => name.length <= 256 && name.isWellFormed()));
  const judgement = environmentSecret.judge(imageFact({ environmentSecrets: seen(observed.value, SOURCE) }), factsOf());
  t.equal(judgement.verdict, 'fail');
  t.equal(judgement.evidence.length, 8);
  t.ok(JSON.stringify(judgement).length < 8192);
  t.match(judgement.reason, /and 248 more$/);
  t.end();
});
