import { assert, constantFrom, property, string, stringMatching, tuple } from 'fast-check';
import t from 'tap';
import { redactFile } from '../../../agent/record/redact-file.ts';
import { toHistory } from '../../../agent/runtime/docker/image.ts';
import { redactJson, redactText } from '../../../posture/redaction/redact.ts';
import { SECRET_PLACES } from './secret-places.ts';

const file = (path: string, text: string): string | undefined => redactFile(path, Buffer.from(text))?.toString();

void t.test('bytes without a secret come back as they are', (t) => {
  const accounts = 'root:x:0:0:root:/root:/bin/bash\ndaemon:*:1:1::/:/bin/sh\nnew::2:2::/:\n';
  t.equal(file('/etc/passwd', accounts), accounts);
  const bytes = Buffer.of(0xff, 0x00, 0x61);
  t.equal(redactFile('/x', bytes), bytes, 'the very same bytes');
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

void t.test('build steps of a recorded image give the same fact as live ones', (t) => {
  const secret = stringMatching(/^[A-Za-z0-9]{8,30}$/);
  assert(
    property(constantFrom(...SECRET_PLACES), secret, ({ plant }, secret) => {
      const live = [{ CreatedBy: `RUN ${plant(secret)}` }, { CreatedBy: `ENV A=${secret} B=${plant(secret)}` }];
      const recorded = redactJson(live) as typeof live;
      t.strictSame(toHistory(recorded), toHistory(live));
    }),
    { numRuns: 500 },
  );
  t.end();
});
