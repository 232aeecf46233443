import fc from 'fast-check';
import t from 'tap';
import { findSecrets } from '../../../posture/redaction/find-secrets.ts';
import { redactBuildStep, redactJson, redactText, redactWords } from '../../../posture/redaction/redact.ts';
import { HARMLESS_TEXTS, SECRET_TEXTS } from './corpus.ts';

/** What a generator of passwords makes, and what people make up. */
const SECRETS = ['hunter2Xq7vT2mN9kLp', 'Tr0ub4dor3aBcDeFgHiJkL', 'CORRECT9HORSE9BATTERY', 'zyxwvutsrqponm4lkjihg'];

void t.test('a secret survives in none of the forms', async (t) => {
  t.ok(SECRET_TEXTS.length >= 120, `${String(SECRET_TEXTS.length)} forms`);
  for (const form of SECRET_TEXTS)
    for (const secret of form.startsWith('AKIA') ? ['CORRECT9HORS'] : SECRETS) {
      const text = form.replaceAll('§', secret);
      const redacted = redactText(text);
      t.notMatch(redacted, secret, JSON.stringify(form));
      t.equal(redactText(redacted), redacted, `twice is once: ${JSON.stringify(form)}`);
      t.ok(findSecrets(redacted).length > 0, `a redacted text tells that it was one: ${JSON.stringify(form)}`);
      for (const around of [`RUN /bin/sh -c true; ${text}`, `RUN /bin/sh -c set -e && \t${text} # buildkit`])
        if (!/\n| words$/.test(form))
          t.notMatch(redactBuildStep(around), secret, `as a build step: ${JSON.stringify(form)}`);
      t.notMatch(JSON.stringify(redactJson({ Test: ['CMD-SHELL', text], Output: text })), secret, `in JSON: ${form}`);
    }
});

void t.test('what is no secret stays as it is', async (t) => {
  t.ok(HARMLESS_TEXTS.length >= 60, `${String(HARMLESS_TEXTS.length)} lines`);
  for (const text of HARMLESS_TEXTS) t.equal(redactText(text), text);
  const all = HARMLESS_TEXTS.join('\n');
  t.equal(redactText(all), all, 'all in one text');
});

void t.test('words of a command line', async (t) => {
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [
      ['CMD-SHELL', 'redis-cli -a hunter2 ping'],
      ['CMD-SHELL', 'redis-cli -a [redacted] ping'],
    ],
    [
      ['CMD', 'redis-cli', '-a', 'hunter2', 'ping'],
      ['CMD', 'redis-cli', '-a', '[redacted]', 'ping'],
    ],
    [
      ['x', '--token', 'a b', '--password=a b', 'SECRET=a b'],
      ['x', '--token', '[redacted]', '--password=[redacted]', 'SECRET=[redacted]'],
    ],
    [
      ['mysql', '-psecret'],
      ['mysql', '-p[redacted]'],
    ],
    [
      ['dockerd', '--tlskey', '/k.pem', '-H', 'fd://'],
      ['dockerd', '--tlskey', '/k.pem', '-H', 'fd://'],
    ],
    [[], []],
  ];
  for (const [words, expected] of cases) t.strictSame(redactWords(words), expected);
  t.strictSame(
    redactWords(['app', '-----BEGIN PRIVATE KEY-----\nMII', 'hunter2\n-----END PRIVATE KEY-----', 'x']).at(-1),
    'x',
    'a key over two words takes both',
  );
});

void t.test('of ENV and ARG only names are kept', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['ENV DB_PASS=hunter2', 'ENV DB_PASS=[redacted]'],
    ['ENV A=hunter2', 'ENV A=[omitted]'],
    ['ENV A hunter2 and more', 'ENV A=[omitted]'],
    ['ENV DB_PASS hunter2 and more', 'ENV DB_PASS=[redacted]'],
    ['/bin/sh -c #(nop)  ENV A=hunter2 B="two words"', '/bin/sh -c #(nop)  ENV A=[omitted] B=[omitted]'],
    ['/bin/bash -o pipefail -c #(nop) ENV A=hunter2', '/bin/bash -o pipefail -c #(nop) ENV A=[omitted]'],
    ['ENV A=hunter2 hunter2 B=x', 'ENV A=[omitted] B=[omitted]'],
    ['ENV A=https://me:hunter2@example.org', 'ENV A=[redacted]'],
    ['ENV A=hunter2 # buildkit', 'ENV A=[omitted] # buildkit'],
    ['ENV A=', 'ENV A='],
    ['ARG TOKEN', 'ARG TOKEN'],
    ['ARG TOKEN=', 'ARG TOKEN='],
    ['ARG A=hunter2', 'ARG A=[omitted]'],
    ['RUN |1 TOKEN=hunter2 /bin/sh -c npm ci # buildkit', 'RUN |1 TOKEN=[redacted] /bin/sh -c npm ci # buildkit'],
    [
      'RUN |2 A=hunter2 B=x hunter2 /bin/bash -ec make # buildkit',
      'RUN |2 A=[omitted] B=[omitted] /bin/bash -ec make # buildkit',
    ],
    ['|1 A=hunter2 /bin/sh -c mysql -phunter2', '|1 A=[omitted] /bin/sh -c mysql -p[redacted]'],
    ['RUN |1 A=hunter2 hunter2', 'RUN |1 A=[omitted]'],
    ['ENV GPG_KEY=0D96DF4D PATH=/usr/bin', 'ENV GPG_KEY=[omitted] PATH=[omitted]'],
  ];
  for (const [step, expected] of cases) {
    t.equal(redactBuildStep(step), expected);
    t.equal(redactBuildStep(expected), expected, 'twice is once');
  }
});

/** What is worse than proportional takes minutes with so much. */
const LENGTH = 256 * 1024;

void t.test('nothing makes it throw, or take time out of proportion', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.constantFrom(...SECRET_TEXTS), (noise, form) => {
      redactWords([noise, form, noise]);
      redactBuildStep(`RUN ${noise}`);
      return redactText(`${noise}${form}${noise}`) !== '' && redactText(noise).length >= 0;
    }),
  );
  const pieces = [
    'a',
    '=',
    'token=',
    'token= ',
    'token="',
    'token=\\"',
    'token=" ',
    "password='",
    ';password=',
    '?key=',
    ':',
    '"',
    "'",
    '`',
    '(',
    '$(',
    'curl -u ',
    'mysql -p',
    'docker login ',
    '://',
    '://a:',
    '://a@',
    '@',
    'eyJa.',
    'eyJaaaaa.',
    '-eyJaaaaa',
    'SG.aaaaaaaaaaaaaaaa',
    'ghp_',
    'xoxb-',
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN ',
    'hvs.',
    'npm_',
    ' AKIA',
    'pin=',
    'a-',
    'a.',
    '$6$',
    'Bearer ',
    'bearer a',
    'authorization:',
    'authorization: ',
    '--x ',
    '--token ',
    'ENV A_KEY $(x ',
    "password '",
    'identified by ',
    'a:1',
    'a:22:b:c:',
    '<token>',
    '<token>a',
    '<a>',
    'name=password value=',
    '[redacted]',
    '\\',
    '\\\n',
    'token=\n',
    '- token: ',
    'token: |\n ',
    'echo a | chpasswd;',
    'rabbitmqctl add_user ',
    'htpasswd -b ',
    '<<EOF ',
    'chpasswd <<EOF\n',
    'login password ',
    'machine ',
    'x@y:80',
    ' a:b@c',
    '\u0000',
    'sk-',
    'A',
    '1',
    '|',
    'echo x|',
    '["',
    '","',
    '{"token":',
    '${A_KEY:-',
    '8Q~',
    'thin:a/',
    'sqlplus -a ',
    '"auth":"',
    '#',
    '# ',
  ];
  for (const piece of pieces) {
    const text = piece.repeat(Math.ceil(LENGTH / piece.length));
    const startedAt = process.cpuUsage();
    redactText(text);
    const milliseconds = process.cpuUsage(startedAt).user / 1000;
    t.ok(milliseconds < 200, `${JSON.stringify(piece)}: ${String(Math.round(milliseconds))} ms`);
  }
});
