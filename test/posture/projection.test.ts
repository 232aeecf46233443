import t from 'tap';
import { FACT_SCHEMAS } from '../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import { project } from '../../posture/projection.ts';
import { Unread } from '../../posture/query/unread.ts';
import { containerFact } from '../fixture/container.ts';
import { dockerFact, factsOf, kernelFact } from '../fixture/facts.ts';

const denied = unreadable('/proc/9/status', 'permission denied (EACCES)');

await t.test('what was seen is its value, integers are BigInt', async (t) => {
  const { variables } = project(factsOf());
  const kernel = variables.get('kernel') as Record<string, unknown>;
  t.equal(kernel['lockdown'], 'integrity');
  t.equal(kernel['tainted'], 0n);
  t.same(kernel['lsm'], ['lockdown', 'capability', 'landlock', 'bpf']);
  const [container] = variables.get('containers') as readonly Record<string, unknown>[];
  t.equal(container?.['pid'], 4121n);
  t.same(
    { ...(container?.['seccomp'] as object) },
    {
      mode: 'filter',
      filters: 1n,
      threads: 1n,
      weakest: '/proc/4121/task/4121/status',
    },
  );
  t.same([...variables.keys()].sort(), [...Object.keys(FACT_SCHEMAS), 'unread'].sort());
});

await t.test('absent, unreadable and null', async (t) => {
  const facts = factsOf({
    kernel: kernelFact({
      lsm: absent('/sys/kernel/security/lsm'),
      secureBoot: denied,
      cpuVulnerabilities: absent('x'),
      maskable: seen([], '/proc'),
    }),
    containers: seen([containerFact({ name: 'shop-db', seccomp: denied, mounts: denied })], 'GET /containers/json'),
  });
  const { variables } = project(facts);
  const kernel = variables.get('kernel') as Record<string, unknown>;
  t.equal(kernel['apparmor'], null, 'absent');
  t.same(kernel['lsm'], [], 'an absent list is empty');
  t.same(Object.keys(kernel['cpuVulnerabilities'] as object), [], 'an absent record is empty');
  t.ok(kernel['secureBoot'] instanceof Unread);
  const [container] = variables.get('containers') as readonly Record<string, Record<string, unknown>>[];
  t.equal(container?.['declared']?.['noNewPrivileges'], null);
  t.same(
    { ...(variables.get('unread') as object) },
    {
      'kernel.secureBoot': '/proc/9/status: permission denied (EACCES)',
      'containers[shop-db].seccomp': '/proc/9/status: permission denied (EACCES)',
      'containers[shop-db].mounts': '/proc/9/status: permission denied (EACCES)',
    },
  );
});

await t.test('capabilities by name, modes as octal text with their bits', async (t) => {
  // 0x80000000a: bits 1 (DAC_OVERRIDE), 3 (FOWNER) and 35 (WAKE_ALARM).
  const capabilities = {
    effective: '000000080000000a',
    permitted: '0',
    inheritable: '0',
    bounding: 'zz',
    ambient: '0',
  };
  const stat = { realPath: '/x', kind: 'file', uid: 0, gid: 0, mode: 0o4664, owner: 'root', group: 'root' } as const;
  const { variables } = project(
    factsOf({
      containers: seen([containerFact({ name: 'c', capabilities: seen(capabilities, '/proc/1') })], 'x'),
      files: [{ role: 'sshdConfig', path: '/x', stat: seen(stat, '/x'), expectedGroup: '', expectedMode: null }],
    }),
  );
  const [container] = variables.get('containers') as readonly Record<string, Record<string, unknown>>[];
  t.same(container?.['capabilities']?.['effective'], ['DAC_OVERRIDE', 'FOWNER', 'WAKE_ALARM']);
  t.same(container?.['capabilities']?.['permitted'], []);
  t.ok(container?.['capabilities']?.['bounding'] instanceof Unread, 'a word that is none is not an empty set');
  const [file] = variables.get('files') as readonly Record<string, Record<string, unknown>>[];
  const { mode, groupReadable, groupWritable, worldReadable, worldWritable, setuid, setgid, sticky } =
    file?.['stat'] ?? {};
  t.same(
    [mode, groupReadable, groupWritable, worldReadable, worldWritable, setuid, setgid, sticky],
    ['4664', true, true, true, false, true, false, false],
  );
});

await t.test('values of no known shape', async (t) => {
  let deep: unknown = 1;
  for (let level = 0; level < 100; level += 1) deep = [deep];
  const keys = { 'max-concurrent-downloads': 3, ratio: 0.5, debug: true, hosts: ['a'], none: null, deep };
  const file = seen({ path: '/etc/docker/daemon.json', modifiedAtMs: 1, keys }, '/etc/docker/daemon.json');
  const docker = project(factsOf({ docker: dockerFact({ file }) })).variables.get('docker') as {
    readonly file: { readonly keys: Record<string, unknown> };
  };
  const projected = docker.file.keys;
  t.equal(projected['max-concurrent-downloads'], 3n);
  t.equal(projected['ratio'], 0.5);
  t.equal(projected['debug'], true);
  t.same(projected['hosts'], ['a']);
  t.equal(projected['none'], null);
  let levels = 0;
  for (let inner = projected['deep']; Array.isArray(inner); inner = inner[0] as unknown) levels += 1;
  t.ok(levels < 50, 'followed to a bounded depth');
});

await t.test('items are named by what people know them by', async (t) => {
  const facts = factsOf({
    files: [
      { role: 'daemonJson', path: '/etc/docker/daemon.json', stat: denied, expectedGroup: '', expectedMode: null },
    ],
    kernel: kernelFact({ sysctls: { 'kernel.kptr_restrict': denied }, maskable: seen([], '/proc') }),
  });
  t.same(Object.keys(project(facts).variables.get('unread') as object), [
    'files[/etc/docker/daemon.json].stat',
    'kernel.sysctls[kernel.kptr_restrict]',
  ]);
});

await t.test('facts that are left out are no variables', async (t) => {
  t.same([...project({ clock: { nowMs: 5 } }).variables.keys()], ['clock', 'unread']);
});
