import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import t from 'tap';
import { parseDaemonFlags } from '../../../../agent/inspector/docker/daemon-flags.ts';
import { dockerProcessSchema } from '../../../../posture/fact/docker.ts';
import { SEED } from '../../../fixture/inspector/read.ts';

const flags = (...args: readonly string[]): Record<string, readonly string[]> => ({ ...parseDaemonFlags(args) });

t.test('the grammar of dockerd', (t) => {
  t.same(flags('-H', 'fd://', '--containerd=/run/c.sock', '--icc=false', '--tlsverify'), {
    host: ['fd://'],
    containerd: ['/run/c.sock'],
    icc: ['false'],
    tlsverify: ['true'],
  });
  t.same(flags('-Hunix:///a', '-H=tcp://b', '--host', 'c', '-Dl', 'debug', '-s', 'overlay2', '-G', 'ops'), {
    host: ['unix:///a', 'tcp://b', 'c'],
    debug: ['true'],
    'log-level': ['debug'],
    'storage-driver': ['overlay2'],
    group: ['ops'],
  });
  t.same(flags('-g', '/data', '--label', 'a=b=c', '--data-root='), {
    'data-root': ['/data', ''],
    label: ['a=b=c'],
  });
  t.same(flags('--debug', 'false', '--', '--icc'), { debug: ['true'] }, 'a switch takes no next word; -- ends it');
  t.same(flags('--bridge'), { bridge: [''] });
  t.end();
});

t.test('credentials are taken out, names stay', (t) => {
  t.same(flags('--log-opt', 'splunk-token=11111111', '--log-opt=syslog-address=tcp://logs:514', '--log-opt', 'tag=x'), {
    'log-opt': ['splunk-token=[redacted]', 'syslog-address=tcp://logs:514', 'tag=x'],
  });
  t.same(flags('--https-proxy=http://user:hunter2@proxy:3128'), {
    'https-proxy': ['http://[redacted]@proxy:3128'],
  });
  t.end();
});

t.test('switches are those that dockerd --help prints without a type', { skip: helpReason() }, (t) => {
  const help = execFileSync('dockerd', ['--help'], { encoding: 'utf8' });
  let count = 0;
  for (const [, name = '', type = ''] of help.matchAll(/^ {2}(?:-\w, | {4})--([\w-]+)( \S+)? {2,}/gm)) {
    const read = flags(`--${name}`, '--next=x');
    t.same(read['next'], type === '' ? ['x'] : undefined, name);
    count += 1;
  }
  t.ok(count > 50);
  t.end();
});

t.test('no command line makes it throw, and the fact fits its schema', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 20 }),
      fc.boolean(),
      (args, dashed) => {
        const read = parseDaemonFlags(dashed ? args.map((arg) => `-${arg}`) : args);
        const process = { pid: 1, uid: 0, startedAtMs: 0, executable: '', flags: { ...read }, environment: {} };
        return dockerProcessSchema.parse(process).ok;
      },
    ),
    SEED,
  );
  t.ok(
    dockerProcessSchema.parse({ pid: 1, uid: 0, startedAtMs: 0, executable: '', environment: {}, flags: many() }).ok,
  );
  t.end();
});

function many(): Record<string, readonly string[]> {
  const args = Array.from({ length: 2000 }, (_, index) => `--flag${String(index)}=${'x'.repeat(2000)}`);
  return { ...parseDaemonFlags([...args, ...Array.from({ length: 2000 }, () => '--flag1=y')]) };
}

function helpReason(): string | false {
  try {
    execFileSync('dockerd', ['--help'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'dockerd is not installed';
  }
}
