import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { observeAll } from '../../../agent/inspector/observe.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import type { Finding } from '../../../posture/finding.ts';
import { judgeAll } from '../../../posture/judge.ts';
import { serveDocker } from '../../fixture/inspector/docker-api.ts';
import { accessOf, WEAK_ANSWERS, WEAK_NODE, writeTree } from './weak-node.ts';

const PATH = '/etc/docker/daemon.json';
const DAEMON_CHECKS = CHECKS.filter(({ id }) => id.startsWith('daemon.'));

/** All that the checks of daemon.json want, and the contrary. */
const GOOD = {
  'authorization-plugins': ['authz'],
  'default-ulimits': { nofile: { Name: 'nofile', Soft: 1024, Hard: 2048 } },
  icc: false,
  'live-restore': true,
  'log-driver': 'syslog',
  'log-opts': { 'syslog-address': 'tcp+tls://logs.example:6514' },
  'no-new-privileges': true,
  'userland-proxy': false,
  'userns-remap': 'default',
};
const BAD = {
  'cgroup-parent': '/elsewhere',
  experimental: true,
  icc: true,
  'insecure-registries': ['registry.example:5000'],
  iptables: false,
  'live-restore': false,
  'log-level': 'debug',
  'no-new-privileges': false,
  'seccomp-profile': 'unconfined',
  'storage-driver': 'aufs',
  'userland-proxy': true,
  'userns-remap': '',
};

const WRONG: Readonly<Record<string, (native: string) => unknown>> = {
  'no JSON': (native) => writeFileSync(native, '{"icc": false,}'),
  'half of it': (native) => writeFileSync(native, '{"icc": false, "userns-remap": "def'),
  'another one behind': (native) => writeFileSync(native, '{"icc": false}{"icc": true}'),
  'no object': (native) => writeFileSync(native, '["icc"]'),
  null: (native) => writeFileSync(native, 'null'),
  'deep beyond reason': (native) => writeFileSync(native, `{"icc": false, "x": ${'['.repeat(100_000)}`),
  'too large': (native) => writeFileSync(native, JSON.stringify({ ...GOOD, x: 'y'.repeat(256 * 1024) })),
  'no UTF-8': (native) => writeFileSync(native, Buffer.from('{"icc": false, "userns-remap": "d\xe9fault"}', 'latin1')),
  'UTF-16': (native) => writeFileSync(native, Buffer.from(`\ufeff${JSON.stringify(GOOD)}`, 'utf16le')),
  'a FIFO': (native) => execFileSync('mkfifo', [native]),
  'a directory': (native) => mkdirSync(native),
  'a link to itself': (native) => symlinkSync('daemon.json', native),
};

const skip = process.getuid?.() !== 0 && 'needs root: a daemon.json of another user is not read';

void t.test('a daemon.json that is none: the running daemon decides, or it is not known', { skip }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'plm-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  writeTree(root, WEAK_NODE);
  const native = join(root, PATH);
  const runtime = await serveDocker(t, WEAK_ANSWERS);
  const look = async (put: (native: string) => unknown): Promise<ReadonlyMap<string, Finding>> => {
    rmSync(native, { recursive: true, force: true });
    put(native);
    const facts = await observeAll(accessOf(createLinuxHost({ root }), runtime));
    return new Map([...judgeAll(DAEMON_CHECKS, facts).values()].map((finding) => [finding.check, finding]));
  };

  // A check that says the same whatever the file asks for takes the word of the running daemon.
  const asked = [
    await look((at) => writeFileSync(at, JSON.stringify(GOOD))),
    await look((at) => writeFileSync(at, JSON.stringify(BAD))),
    await look(() => undefined),
  ];
  const decided = new Set(
    DAEMON_CHECKS.map(({ id }) => id).filter(
      (id) => new Set(asked.map((findings) => findings.get(id)?.verdict)).size === 1,
    ),
  );
  t.ok(
    decided.size > 3 && decided.size < DAEMON_CHECKS.length - 5,
    `${String(decided.size)} are decided by the daemon`,
  );

  for (const [what, put] of Object.entries(WRONG)) {
    const findings = await look(put);
    for (const { id } of DAEMON_CHECKS) {
      const finding = findings.get(id);
      const before = asked[0]?.get(id);
      if (finding?.verdict === 'unknown')
        // Some are unknown whatever the file says.
        t.ok(finding.reason?.includes(PATH) || finding.reason === before?.reason, `${what}: ${id} says why`);
      else if (decided.has(id)) t.equal(finding?.verdict, asked[0]?.get(id)?.verdict, `${what}: ${id} as it runs`);
      else t.fail(`${what}: ${id} says ${String(finding?.verdict)}: ${JSON.stringify(finding?.evidence)}`);
    }
    const unknown = [...findings.values()].filter(({ verdict }) => verdict === 'unknown').length;
    t.ok(unknown >= 5, `${what}: ${String(unknown)} are not known`);
    t.equal(findings.get('daemon.pending-restart')?.verdict, 'unknown');
  }
});
