import * as fc from 'fast-check';
import t from 'tap';
import { redactSecrets } from '../../../agent/inspector/redact.ts';
import { SEED } from '../../fixture/inspector/read.ts';

t.test('secrets are replaced, names stay', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['ENV DB_PASSWORD=hunter2', 'ENV DB_PASSWORD=[redacted]'],
    ['RUN |1 NPM_TOKEN=abc /bin/sh -c npm ci', 'RUN |1 NPM_TOKEN=[redacted] /bin/sh -c npm ci'],
    [`ENV API_KEY="two words"`, 'ENV API_KEY="[redacted]"'],
    [`RUN echo '{"password": "x y"}'`, `RUN echo '{"password": "[redacted]"}'`],
    ['RUN mysql --password hunter2 -u root', 'RUN mysql --password [redacted] -u root'],
    ['RUN git clone https://me:hunter2@git.example/x', 'RUN git clone https://[redacted]@git.example/x'],
    ['RUN curl -u me:hunter2 https://x', 'RUN curl -u me:[redacted] https://x'],
    [`RUN echo 'root:hunter2' | chpasswd`, `RUN echo 'root:[redacted]' | chpasswd`],
    ['COPY AKIAIOSFODNN7EXAMPLE /x', 'COPY [redacted] /x'],
    ['RUN curl -H "Authorization: Bearer abc.def"', 'RUN curl -H "Authorization: [redacted]"'],
    ['x -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- y', 'x [redacted] y'],
  ];
  for (const [before, after] of cases) t.equal(redactSecrets(before), after);
  t.end();
});

t.test('what is no secret stays', (t) => {
  for (const text of [
    'RUN apt-get update && apt-get install -y ca-certificates',
    'ENV DB_PASSWORD_FILE=/run/secrets/db',
    'ENV TOKEN_URL=https://auth.example/token',
    'RUN --mount=type=secret,id=npm_token npm ci',
    'RUN export TOKEN=$(cat /run/secrets/t)',
    'ENV PASSWORD=""',
    'ARG NPM_TOKEN',
    'RUN docker login --password-stdin registry.example',
    'RUN chown -R node:node /app',
    'CMD ["token:latest"]',
    'ENV SSH_PUBLIC_KEY_PASSWORD_ID=7',
  ])
    t.equal(redactSecrets(text), text);
  t.end();
});

t.test('twice is once, and nothing makes it throw or slow', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (noise) => {
      const once = redactSecrets(`PASSWORD=${noise}`);
      return redactSecrets(once) === once;
    }),
    SEED,
  );
  for (const piece of ['a', '=', 'token=', ':', '"', "'", ' ', 'curl -u ', '://a:', '--x ', 'eyJa.'])
    t.ok(redactSecrets(piece.repeat(70_000)).length <= 70_000 * 12, piece);
  t.end();
});
