import t from 'tap';
import { unreadText } from '../../../console/node/ask-node.ts';
import { kernelRows, NODE_EXPRESSION, nodeFacts, reasonOf, runtimeRows } from '../../../console/node/node-facts.ts';
import type { NodeFacts } from '../../../console/node/node-facts.ts';
import { containerDetailExpression, containerDetails } from '../../../posture/compare/container.ts';
import { compileExpression, evaluate } from '../../../posture/expression.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import { project } from '../../../posture/projection.ts';
import { factsOf } from '../../fixture/facts.ts';

const FACTS: NodeFacts = {
  node: { virtualization: 'kvm', effectiveUid: 0 },
  kernel: {
    release: '6.12.9',
    lsm: ['lockdown', 'capability', 'apparmor'],
    lockdown: 'none',
    selinux: null,
    selinuxConfigured: null,
    apparmor: true,
    seccompActions: ['kill_process', 'allow'],
    secureBoot: false,
    moduleSignatureEnforced: null,
    cgroupVersion: 2,
    tainted: 0,
    sysctls: { 'kernel.kptr_restrict': '1' },
    cpuVulnerabilities: { meltdown: 'Mitigation: PTI', retbleed: 'Vulnerable' },
  },
  docker: {
    present: true,
    endpoint: 'unix:///var/run/docker.sock',
    api: {
      version: '26.1.5',
      apiVersion: '1.45',
      dataRoot: '/var/lib/docker',
      storageDriver: 'overlay2',
      loggingDriver: 'json-file',
      cgroupDriver: 'systemd',
      defaultRuntime: 'runc',
      securityOptions: [
        { name: 'seccomp', options: { profile: 'builtin' } },
        { name: 'cgroupns', options: {} },
      ],
      liveRestore: false,
      swarm: 'inactive',
    },
    process: { pid: 1, uid: 0, startedAtMs: 1000 },
    file: { path: '/etc/docker/daemon.json', modifiedAtMs: 60_000 },
    bridgeInterContainer: true,
  },
};

const rowOf = (rows: ReturnType<typeof kernelRows>, name: string) => rows.find((row) => row.name === name);

void t.test('the kernel as people read it', async (t) => {
  const rows = kernelRows(FACTS, ['kernel.moduleSignatureEnforced: /sys/module/…: permission denied (EACCES)']);
  t.match(rowOf(rows, 'security modules'), { value: 'lockdown, capability, apparmor' });
  t.match(rowOf(rows, 'lockdown'), { value: 'none', weakness: 'off' });
  t.match(rowOf(rows, 'SELinux'), { value: 'off' });
  t.match(rowOf(rows, 'Secure Boot'), { value: 'off', weakness: 'off' });
  t.match(rowOf(rows, 'module signatures'), {
    value: 'not read: /sys/module/…: permission denied (EACCES)',
    weakness: '',
  });
  t.match(rowOf(rows, 'CPU'), { value: 'vulnerable to retbleed', weakness: 'vulnerable' });
  const pending = { ...FACTS, kernel: { ...FACTS.kernel, selinux: 'enforcing', selinuxConfigured: 'disabled' } };
  t.match(rowOf(kernelRows(pending, []), 'SELinux'), { value: 'enforcing', weakness: 'disabled after the next boot' });
});

void t.test('the runtime as people read it', async (t) => {
  const rows = runtimeRows(FACTS, []);
  t.match(rowOf(rows, 'engine'), { value: 'Docker 26.1.5 (API 1.45)' });
  t.match(rowOf(rows, 'security options'), { value: 'seccomp (profile=builtin); cgroupns' });
  t.match(rowOf(rows, 'daemon.json'), { weakness: 'changed after the start: pending restart' });
  const fresh = {
    ...FACTS,
    docker: { ...FACTS.docker, file: { path: '/etc/docker/daemon.json', modifiedAtMs: 1200 } },
  };
  t.match(rowOf(runtimeRows(fresh, []), 'daemon.json'), { weakness: '' }, 'written just before the start');
  const without: NodeFacts = { ...FACTS, docker: { ...FACTS.docker, api: null } };
  t.strictSame(
    runtimeRows(without, []).map(({ value }) => value),
    ['there is none on this node'],
  );
  t.match(runtimeRows(without, ['docker.present: /run/docker.sock: EACCES'])[0], {
    value: 'not read: /run/docker.sock: EACCES',
  });
});

void t.test('a reason belongs to its fact only', async (t) => {
  t.equal(reasonOf(['kernel.lsm2: x'], 'kernel.lsm'), undefined);
  t.equal(reasonOf(['kernel.lsm[0]: here: EIO'], 'kernel.lsm'), 'not read: here: EIO');
});

void t.test('the question compiles', async (t) => {
  t.match(compileExpression(NODE_EXPRESSION), { ok: true });
  t.match(nodeFacts.parse(FACTS), { ok: true });
});

void t.test('a container that is gone, and containers that could not be read', async (t) => {
  const compiled = compileExpression(containerDetailExpression('c'.repeat(64)) ?? '');
  if (!compiled.ok) throw new Error(compiled.problem);
  const ask = (containers: Facts['containers']) => {
    const evaluated = evaluate(compiled.expression, project(factsOf({ containers })));
    if (!evaluated.ok) throw new Error(evaluated.problem);
    return { parsed: containerDetails.parse(evaluated.value), unread: evaluated.unread };
  };
  for (const containers of [seen([], 'GET /containers/json'), absent('/var/run/docker.sock')])
    t.same(ask(containers), { parsed: { ok: true, value: [] }, unread: [] });
  const { parsed, unread } = ask(unreadable('GET /containers/json', 'timed out'));
  t.same(parsed, { ok: true, value: null });
  t.equal(
    unreadText('containers', unread),
    'The containers of the node could not be read: containers: GET /containers/json: timed out',
  );
});
