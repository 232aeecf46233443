import { assert, constantFrom, property, string, stringMatching, tuple } from 'fast-check';
import t from 'tap';
import { redactFile } from '../../../agent/record/redact-file.ts';
import { redactJson } from '../../../agent/record/redact-json.ts';
import { isSecretName, redactText, redactWords } from '../../../agent/record/redact.ts';
import { redactSecrets } from '../../../agent/inspector/redact.ts';
import { toHistory } from '../../../agent/inspector/image/parse.ts';
import { SECRET_PLACES } from './secret-places.ts';

const file = (path: string, text: string): string | undefined => redactFile(path, Buffer.from(text))?.toString();

void t.test('names', (t) => {
  const secret =
    'password PASSWORD DB_PASSWORD dbpassword passwd DB-PASS client_secret clientSecret SECRET_KEY_BASE NPM_TOKEN X-Vault-Token api_key API-KEY apikey aws_secret_access_key AWS_ACCESS_KEY_ID private.key splunk-token encryption_key credentials pwd SECRET_ID';
  const harmless =
    'PasswordAuthentication PermitEmptyPasswords tlskey tlscert key name PASSWORD_FILE token-path bypass Speculation_Store_Bypass compass tokenizer secretary public_key authorization-plugins no-new-privileges MaxAuthTries';
  for (const name of secret.split(' ')) t.ok(isSecretName(name), name);
  for (const name of harmless.split(' ')) t.notOk(isSecretName(name), name);
  t.end();
});

void t.test('text', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['password=hunter2', 'password=[redacted]'],
    ['user=x password="two words" host=y', 'user=x password="[redacted]" host=y'],
    ["'DB_PASSWORD=two words' next", "'DB_PASSWORD=[redacted]' next"],
    ['password = hunter2 # old', 'password = [redacted] # old'],
    ['token: abc', 'token: [redacted]'],
    ['{"token":"abc","a":1', '{"token":"[redacted]","a":1'],
    ['OPTS="--log-opt splunk-token=abc --tlsverify"', 'OPTS="--log-opt splunk-token=[redacted] --tlsverify"'],
    ['--tlsverify --password hunter2 --icc=false', '--tlsverify --password [redacted] --icc=false'],
    ['--token --tlsverify', '--token --tlsverify'],
    ['--password\0hunter2\0x', '--password\0[redacted]\0x'],
    ['ENV DB_PASSWORD hunter2', 'ENV DB_PASSWORD [redacted]'],
    ['|1 NPM_TOKEN=abc /bin/sh -c npm ci', '|1 NPM_TOKEN=[redacted] /bin/sh -c npm ci'],
    ['http://me:pa/ss@proxy:3128/x', 'http://[redacted]@proxy:3128/x'],
    ['http://me:p@ss@proxy:3128', 'http://[redacted]@proxy:3128'],
    ['https://token@git.example/x', 'https://[redacted]@git.example/x'],
    ['curl -u me:secret https://x', 'curl -u me:[redacted] https://x'],
    ['mysql -h db -psecret app', 'mysql -h db -p[redacted] app'],
    ['echo root:secret | chpasswd', 'echo root:[redacted] | chpasswd'],
    ['-H "Authorization: Basic bWU6c2VjcmV0"', '-H "Authorization: Basic [redacted]"'],
    ['Bearer abcdefgh.ijkl', 'Bearer [redacted]'],
    ['a AKIAIOSFODNN7EXAMPLE b', 'a [redacted] b'],
    ['x eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl y', 'x [redacted] y'],
    ['root:$6$salt$hashhash:1', 'root:[redacted]:1'],
    ['a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb', 'a\n[redacted]\nb'],
    ['-----BEGIN PRIVATE KEY-----\nMII cut', '[redacted]'],
  ];
  for (const [text, expected] of cases) t.equal(redactText(text), expected, JSON.stringify(text));
  t.end();
});

void t.test('what is no secret stays as it is', (t) => {
  const texts = [
    'PasswordAuthentication yes\nPermitEmptyPasswords=no\nMaxAuthTries 4\n',
    '--tlskey=/etc/docker/key.pem --tlscacert /etc/docker/ca.pem -H tcp://0.0.0.0:2376 --authorization-plugin=opa',
    'registry.example:5000/team/token:1.2@sha256:00 docker-image://docker.io/library/alpine@sha256:00',
    'https://example.org:8443/a unix:///var/run/docker.sock https://github.com/x/y@v1',
    'Seccomp:\t2\nSpeculation_Store_Bypass:\tthread vulnerable\nNoNewPrivs:\t0\n',
    '4026 29 0:26 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n',
    'root:x:0:0:root:/root:/bin/bash\n',
  ];
  for (const text of texts) t.equal(redactText(text), text);
  const accounts = 'root:x:0:0:root:/root:/bin/bash\ndaemon:*:1:1::/:/bin/sh\nnew::2:2::/:\n';
  t.equal(file('/etc/passwd', accounts), accounts);
  t.strictSame(redactWords(['dockerd', '--tlskey', '/k.pem', '-H', 'fd://']), [
    'dockerd',
    '--tlskey',
    '/k.pem',
    '-H',
    'fd://',
  ]);
  const bytes = Buffer.of(0xff, 0x00, 0x61);
  t.equal(redactFile('/x', bytes), bytes, 'the very same bytes');
  t.end();
});

void t.test('words', (t) => {
  t.strictSame(redactWords(['x', '--token', 'a b', '--password=a b', 'SECRET=a b']), [
    'x',
    '--token',
    '[redacted]',
    '--password=[redacted]',
    'SECRET=[redacted]',
  ]);
  t.strictSame(redactWords(['mysql', '-psecret']), ['mysql', '-p[redacted]']);
  t.strictSame(redactWords([]), []);
  t.end();
});

void t.test('files', (t) => {
  for (const path of [
    '/etc/shadow',
    '/etc/../etc//shadow',
    '/etc/gshadow-',
    '/var/lib/docker/x/etc/shadow',
    '/root/.ssh/id_ed25519',
    '/etc/ssh/ssh_host_rsa_key',
    '/etc/docker/key.pem',
    '/etc/docker/server-key.pem',
    '/x/tls.key',
    '/root/.docker/config.json',
    '/root/.aws/credentials',
    '/etc/kubernetes/admin.conf',
  ]) {
    t.equal(file(path, 'x'), undefined, path);
  }
  t.equal(file('/etc/ssh/ssh_host_rsa_key.pub', 'ssh-rsa AAAA\n'), 'ssh-rsa AAAA\n');
  t.equal(
    file('/proc/cmdline', 'root=UUID=1 ro luks.key=abc lockdown=integrity init="/bin/sh -x" mitigations=off -- s3\n'),
    'lockdown=integrity init="/bin/sh -x" mitigations=off\n',
  );
  t.equal(
    file('/proc/7/environ', 'PATH=/bin\0DOCKER_TLS_VERIFY=1\0X=\0junk'),
    'PATH=[redacted]\0DOCKER_TLS_VERIFY=1\0X=[redacted]\0',
  );
  t.equal(file('/proc/7/cmdline', 'x\0--token\0a b\0'), 'x\0--token\0[redacted]\0');
  t.equal(file('/etc/group', 'docker:abcd:1:\nwheel:x:2:\n'), 'docker:[redacted]:1:\nwheel:x:2:\n');
  t.strictSame(JSON.parse(file('/etc/docker/daemon.json', '{"log-opts":{"splunk-token":"a\\"b"},"icc":false}') ?? ''), {
    'log-opts': { 'splunk-token': '[redacted]' },
    icc: false,
  });
  t.equal(file('/etc/docker/daemon.json', '{ "icc":false }'), '{ "icc":false }', 'nothing to hide: as it was');
  t.equal(file('/etc/docker/daemon.json', '{ "token": "abc", '), '{ "token": "[redacted]", ', 'still no JSON');
  t.end();
});

void t.test('answers of a runtime', (t) => {
  const answer = JSON.parse(
    '{"Config":{"Env":["PATH=/bin","A"],"Labels":{"vault.token":"t","b":"c"},"Cmd":["--password","p"]},"__proto__":{"secret":"s"},"n":1,"z":null}',
  ) as unknown;
  t.equal(
    JSON.stringify(redactJson(answer)),
    '{"Config":{"Env":["PATH=[redacted]","A"],"Labels":{"vault.token":"[redacted]","b":"c"},"Cmd":["--password","[redacted]"]},"__proto__":{"secret":"[redacted]"},"n":1,"z":null}',
  );
  let deep: unknown = 'password=x';
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  t.notMatch(JSON.stringify(redactJson(deep)), 'password');
  t.end();
});

void t.test('a planted secret never comes through', (t) => {
  // No white space, and nothing that the places themselves use as a bracket or for another meaning.
  const secret = stringMatching(/^[A-Za-z0-9+/!%^*~.]{6,40}[A-Za-z0-9]{6}$/);
  assert(
    property(constantFrom(...SECRET_PLACES), secret, tuple(string(), string()), ({ name, plant }, secret, [a, b]) => {
      const text = `${a}\n${plant(secret)}\n${b}`;
      if (redactText(text).includes(secret)) throw new Error(name);
      if ((file('/etc/some.conf', text) ?? '').includes(secret)) throw new Error(`${name} in a file`);
      if (JSON.stringify(redactJson({ Args: [plant(secret)] })).includes(secret)) throw new Error(`${name} in JSON`);
    }),
    { numRuns: 3000 },
  );
  t.end();
});

void t.test('build steps of a recorded image give the same fact as live ones, as far as it is judged', (t) => {
  const secret = stringMatching(/^[A-Za-z0-9]{8,30}$/);
  assert(
    property(constantFrom(...SECRET_PLACES), secret, ({ plant }, secret) => {
      const live = [{ CreatedBy: `RUN ${plant(secret)}` }];
      const recorded = redactJson(live) as typeof live;
      const isMarked = (steps: typeof live): boolean => toHistory(steps).some((step) => step.includes('[redacted]'));
      return isMarked(live) === isMarked(recorded);
    }),
    { numRuns: 2000 },
  );
  t.equal(redactSecrets('x'), 'x');
  t.end();
});

void t.test('long and nasty texts take no time to speak of', (t) => {
  const length = 200_000;
  for (const part of [
    'a',
    'password=',
    ')',
    '"a=',
    "'b=",
    '--x ',
    '://a:',
    'curl -u ',
    'eyJa.',
    'a-',
    '$6$',
    'Bearer ',
    '=',
    'authorization:',
  ]) {
    const text = part.repeat(Math.ceil(length / part.length));
    const startedAt = process.cpuUsage();
    redactText(`password=${text}x`);
    redactText(text);
    const { user } = process.cpuUsage(startedAt);
    t.ok(user < 5_000_000, `${JSON.stringify(part)}: ${String(Math.round(user / 1000))} ms`);
  }
  t.end();
});
