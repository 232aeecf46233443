import t from 'tap';
import { historySecret } from '../../../../posture/check/image/history-secret.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { redactBuildStep } from '../../../../posture/redaction/redact.ts';
import { factsOf, imageFact } from '../../../fixture/facts.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';
import { SECRET_TEXTS } from '../../redaction/corpus.ts';

const source = 'GET /images/sha256:ad213b78733c/history';
const steps = (...history: readonly string[]) => ({ history: seen(history, source) });

judgeImages(t, historySecret, [
  { name: 'imported', verdict: 'notApplicable' },
  { name: 'not readable', image: { history: unreadable(source, 'no answer within 5 s') }, verdict: 'unknown' },
  {
    name: 'nothing',
    image: steps('/bin/sh -c apt-get update', '/bin/sh -c #(nop)  ENV LANG=C.UTF-8'),
    verdict: 'pass',
  },
  {
    name: 'a value that was taken out',
    image: steps('/bin/sh -c #(nop)  ENV DB_PASSWORD=[redacted]'),
    verdict: 'fail',
    seen: ['ENV holds 1 secret: a value of DB_PASSWORD'],
  },
  {
    name: 'a value that was taken out of a command',
    image: steps('RUN /bin/sh -c curl -H [redacted] https://shop.example # buildkit'),
    verdict: 'fail',
    seen: ['RUN holds 1 secret: a redacted value'],
  },
  {
    name: 'a build argument',
    image: steps('RUN |1 NPM_TOKEN=abcdef /bin/sh -c npm ci # buildkit'),
    verdict: 'fail',
    seen: ['RUN holds 1 secret: a value of NPM_TOKEN'],
  },
  { name: 'a reference', image: steps('RUN /bin/sh -c TOKEN=$TOKEN ./fetch # buildkit'), verdict: 'pass' },
  { name: 'an empty default', image: steps('ARG TOKEN='), verdict: 'pass' },
  { name: 'only where it is', image: steps('ENV DB_PASSWORD_FILE=/run/secrets/db'), verdict: 'pass' },
  { name: 'a secret mount', image: steps('RUN --mount=type=secret,id=token ./fetch # buildkit'), verdict: 'pass' },
  {
    // The documentation's own example of an access key.
    name: 'an AWS key',
    image: steps('RUN /bin/sh -c aws configure set aws_access_key AKIAIOSFODNN7EXAMPLE # buildkit'),
    verdict: 'fail',
    seen: ['RUN holds 1 secret: an AWS access key (aws_access_key)'],
  },
  {
    name: 'a password in an address',
    image: steps('/bin/sh -c git clone https://bot:hunter2@git.example/shop.git'),
    verdict: 'fail',
    seen: ['RUN holds 1 secret: a password in an address'],
  },
]);

void t.test('what the engine takes out of a step is reported, with count and kind', async (t) => {
  for (const text of SECRET_TEXTS) {
    const step = redactBuildStep(
      `RUN ${text.replaceAll('§', text.startsWith('AKIA') ? 'CORRECT9HORS' : 'hunter2Xq7vT2mN9kLp')}`,
    );
    t.match(historySecret.judge(imageFact(steps(step)), factsOf()), { verdict: 'fail' }, JSON.stringify(text));
  }
  const step = redactBuildStep(`RUN mysql -phunter2 && curl -u me:hunter2 x && echo AKIAIOSFODNN7EXAMPLE`);
  t.match(historySecret.judge(imageFact(steps(step)), factsOf()), {
    evidence: [{ seen: 'RUN holds 3 secrets: a secret option of a command, an AWS access key' }],
  });
});

const secret = 'hunter2';
const judged = historySecret.judge(
  imageFact(steps(`ENV DB_PASSWORD=${secret}`, `RUN curl https://bot:${secret}@git.example`)),
  factsOf(),
);
t.equal(judged.verdict, 'fail');
t.notMatch(JSON.stringify(judged), secret, 'a secret that slipped through goes no further');
