import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ensureAuthority, ensureServerCertificate } from '../../../service/tls/authority.ts';
import { loadTlsFiles } from '../../../service/tls/load-tls-files.ts';
import type { Finding } from '../../../posture/finding.ts';
import { VERDICTS } from '../../../posture/verdict.ts';
import { environmentOf, plimsoll, PROGRAM } from '../../cli/process.ts';
import { serveDocker } from '../../fixture/inspector/docker-api.ts';
import { recordedInspect, recordedJson, recordedText } from '../../fixture/inspector/read.ts';
import { namespaceLinks, statusWith } from '../../fixture/inspector/tree.ts';
import { emptyMemory, startTinyCollector } from '../transport/tiny-collector.ts';
import type { TinyCollector } from '../transport/tiny-collector.ts';
import { until } from '../watch/watched.ts';
import { WEAK_ANSWERS, WEAK_NODE, writeTree } from './weak-node.ts';

/** Retitles, colours, clears, moves, answers back, reorders, hides, ends lines, and is markup for good measure. */
const EVIL =
  'evil\u001b]0;owned\u0007\u009b31m\u001b[2J\r\n\t\b\u202e\u2066\u200b\u2028<script>alert(1)</script>`|$(x)"\'';
const IN_A_PATH = EVIL.replaceAll('/', '_');
const ID = 'ab'.repeat(32);
const PID = 4711;
const SECRET = 'hunter2-of-the-container';
// What ECMA-48 and Unicode call controls, and what reorders or hides text; a line may end, and only so.
const FORBIDDEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029\u200b]/u;

/** A container that is called so, with such labels, paths, environment, user and image. */
function evilContainer(): unknown {
  const inspect = recordedInspect('default');
  const config = inspect['Config'] as Record<string, unknown>;
  const hostConfig = inspect['HostConfig'] as Record<string, unknown>;
  return {
    ...inspect,
    Id: ID,
    Name: `/${EVIL}`,
    Image: `sha256:${ID}`,
    State: { ...(inspect['State'] as object), Running: true, Pid: PID },
    Config: {
      ...config,
      Image: EVIL,
      User: EVIL,
      Env: [`PASSWORD=${SECRET}`, EVIL],
      Cmd: [EVIL],
      Labels: { [EVIL]: EVIL },
    },
    HostConfig: {
      ...hostConfig,
      Privileged: true,
      SecurityOpt: [`apparmor=${EVIL}`, `label=type:${EVIL}`],
      CapAdd: [EVIL],
      CgroupParent: EVIL,
      NetworkMode: EVIL,
      Devices: [{ PathOnHost: `/dev/${EVIL}` }],
    },
    Mounts: [
      { Type: 'bind', Source: `/etc/${EVIL}`, Destination: `/${EVIL}`, RW: true, Propagation: 'shared' },
      { Type: 'bind', Source: '/var/run/docker.sock', Destination: `/run/${EVIL}.sock`, RW: true, Propagation: '' },
    ],
  };
}

function evilNode(root: string): void {
  writeTree(root, {
    ...WEAK_NODE,
    '/etc/hostname': `${EVIL.split('\r')[0] ?? ''}\n`,
    '/etc/passwd': `root\u001b[2J:x:0:0::/root:/bin/sh\n`,
    [`/etc/docker/certs.d/${IN_A_PATH}/ca.crt`]: 'x',
    '/etc/docker/daemon.json': JSON.stringify({
      'log-level': EVIL,
      'insecure-registries': [EVIL],
      'cgroup-parent': EVIL,
    }),
    '/etc/ssh/sshd_config': `Banner /${EVIL.split('\r')[0] ?? ''}\nPermitRootLogin yes\nAcceptEnv *\u009b31m\u202e\n`,
    [`/proc/${String(PID)}/status`]: statusWith({ Name: 'evil\u001b[2J', NSpid: `${String(PID)}\t1` }),
    [`/proc/${String(PID)}/comm`]: 'evil\u001b[2J\n',
    [`/proc/${String(PID)}/cgroup`]: `0::/docker/${ID}\n`,
    [`/proc/${String(PID)}/mountinfo`]: recordedText('proc/default/mountinfo').replaceAll(
      '/etc/hosts',
      '/etc/\u001b[2J\u202e',
    ),
    [`/proc/${String(PID)}/task/${String(PID)}/status`]: statusWith({
      Name: 'evil\u001b[2J',
      NSpid: `${String(PID)}\t1`,
    }),
    ...namespaceLinks(PID, { mnt: 1, net: 2, pid: 3, ipc: 4, uts: 5, user: 6, cgroup: 7 }),
  });
}

const IMAGE = {
  ...(recordedJson('docker/image.json') as readonly object[])[0],
  Id: `sha256:${ID}`,
  RepoTags: [EVIL],
  Config: { User: EVIL },
};
const ANSWERS = {
  ...WEAK_ANSWERS,
  '/info': {
    ...(recordedJson('docker/info.json') as object),
    Name: EVIL,
    Driver: EVIL,
    LoggingDriver: EVIL,
    DefaultRuntime: EVIL,
  },
  '/containers/json': [{ Id: ID }],
  [`/containers/${ID}/json`]: evilContainer(),
  [`/images/sha256:${ID}/json`]: IMAGE,
  [`/images/sha256:${ID}/history`]: [{ CreatedBy: `RUN ${EVIL} --password=${SECRET}` }, { CreatedBy: `ADD ${EVIL} /` }],
};

void t.test('names that are commands for a terminal or a page', { timeout: 100_000 }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'plm-'));
  const dataDir = mkdtempSync(join(tmpdir(), 'plm-'));
  t.teardown(() => [root, dataDir].forEach((directory) => rmSync(directory, { recursive: true, force: true })));
  evilNode(root);
  mkdirSync(join(root, 'run'), { recursive: true });
  rmSync(join(root, 'run/docker.sock'), { force: true });
  await serveDocker(t, ANSWERS, join(root, 'run/docker.sock'));
  const node = [`--host-root=${root}`, '--docker-host=unix:///run/docker.sock', `--data-dir=${dataDir}`];

  const table = await plimsoll(['scan', ...node, ...VERDICTS.map((verdict) => `--verdict=${verdict}`)]);
  t.equal(table.stderr, '');
  t.match(table.stdout, /evil\\x1b\]0;owned\\x07\\x9b31m/, 'what it is called can be read');
  for (const line of table.stdout.split('\n')) if (FORBIDDEN.test(line)) t.fail(JSON.stringify(line));
  t.notMatch(table.stdout, SECRET);

  const json = await plimsoll(['scan', ...node, '--output=json']);
  for (const line of json.stdout.split('\n')) if (FORBIDDEN.test(line)) t.fail(JSON.stringify(line));
  t.notMatch(json.stdout, SECRET);
  const { findings } = JSON.parse(json.stdout) as { readonly findings: readonly Finding[] };
  const names = new Set(
    findings.filter(({ subject }) => subject.kind === 'container').map(({ subject }) => subject.name),
  );
  t.same([...names], [EVIL], 'and JSON says exactly what it is called');
  t.ok(findings.some(({ subject }) => subject.id === `/etc/docker/certs.d/${IN_A_PATH}/ca.crt`));
  t.same(
    findings.filter(({ reason }) => reason?.includes('defect')),
    [],
  );

  await t.test('through a running agent: its log, its findings, its answers', async (t) => {
    const collector = await collectorIn(dataDir);
    t.teardown(collector.kill);
    const port = `--collector=127.0.0.1:${String(collector.port)}`;
    const args = ['agent', ...node, port, '--log-level=debug', '--log-format=text'];
    const agent = spawn(process.execPath, [PROGRAM, ...args], { env: environmentOf(), stdio: 'pipe' });
    t.teardown(() => agent.kill('SIGKILL'));
    let logged = '';
    agent.stderr.setEncoding('utf8').on('data', (text: string) => (logged += text));
    const found = () => [...collector.memory.findings.values()].find(({ subject }) => subject.name === EVIL);
    await until('its finding', () => found() !== undefined);
    writeFileSync(join(root, `etc/docker/certs.d/${IN_A_PATH}/ca.crt`), 'y');
    await until('a line about the file', () => /file changed.*certs\.d/.test(logged));
    const expression = 'containers.map(c, [c.name, c.image])';
    collector.call()?.write({ query: { id: 'q', expression, deadlineMs: 10_000, maxRows: 10, maxBytes: 10_000 } });
    await until('an answer', () => collector.results.some(({ last }) => last === true));
    const answer: unknown = JSON.parse(
      Buffer.concat(collector.results.map(({ chunk }) => chunk ?? Buffer.of())).toString(),
    );
    t.same(answer, [[EVIL, EVIL]]);
    const exited = once(agent, 'exit');
    agent.kill('SIGTERM');
    t.same(await exited, [0, null]);
    for (const line of logged.split('\n')) if (FORBIDDEN.test(line)) t.fail(JSON.stringify(line));
    t.notMatch(logged, SECRET);
    t.same(collector.violations, []);
  });
});

async function collectorIn(dataDir: string): Promise<TinyCollector> {
  const tls = join(dataDir, 'tls');
  await ensureServerCertificate(await ensureAuthority(tls, Date.now()), ['127.0.0.1'], Date.now());
  const files = { ca: join(tls, 'ca.pem'), cert: join(tls, 'collector.pem'), key: join(tls, 'collector-key.pem') };
  return startTinyCollector(await loadTlsFiles(files), emptyMemory());
}
