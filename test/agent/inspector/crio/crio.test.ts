import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { parseToml } from '../../../../agent/inspector/containerd/config.ts';
import { evaluate, parseStarted } from '../../../../agent/inspector/crio/config.ts';
import { registriesOf, remoteOf } from '../../../../agent/inspector/crio/image-sources.ts';
import { crioInspector } from '../../../../agent/inspector/crio/inspect.ts';
import { crioSchema } from '../../../../posture/fact/crio.ts';
import type { Crio, CrioFact } from '../../../../posture/fact/crio.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { SEED } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree, TreeHost } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

const CONFIG = '/etc/crio/crio.conf';
const RUNNING: Tree = { '/usr/bin/crio': '', ...processTree(70, { comm: 'crio', exe: '/usr/bin/crio' }) };

async function inspect(t: Test, tree: Tree, change: (host: TreeHost) => void = () => {}): Promise<CrioFact> {
  const host = treeHost(t, { ...NODE_TREE, ...RUNNING, ...tree });
  change(host);
  const fact = await crioInspector.inspect(await accessTo(t, host), {});
  t.ok(crioSchema.parse(fact).ok);
  return fact;
}
async function running(t: Test, tree: Tree, change?: (host: TreeHost) => void): Promise<Crio> {
  const fact = await inspect(t, tree, change);
  if (fact.state !== 'seen') throw new Error(`CRI-O was not seen: ${JSON.stringify(fact)}`);
  return fact.value;
}
const valueOf = ({ settings }: Crio, name: string): unknown => {
  const setting = settings[name];
  return setting?.state === 'seen' ? `${setting.value} (${setting.source})` : setting?.state;
};

// The order is that of crio.conf.d(5): the main file, drop-ins by name (folders as a walk meets them), environment, flags.
t.test('files, drop-ins, environment and flags', async (t) => {
  const crio = await running(t, {
    '/proc/70/cmdline': 'crio\0--selinux\0--log-level\0debug\0--hooks-dir=/a\0--hooks-dir=/b\0',
    '/proc/70/environ': 'PATH=/bin\0CONTAINER_LOG_LEVEL=trace\0CONTAINER_PIDS_LIMIT=99\0SECRET=geheim\0',
    [CONFIG]: `[crio]
[crio.api]
stream_address = "10.0.0.1"
[crio.runtime]
pids_limit = 1024
selinux = false
log_level = "info"
no_pivot = true
default_capabilities = ["CHOWN", "NET_RAW"]
[crio.runtime.runtimes.runc]
runtime_path = "/usr/bin/runc"
allowed_annotations = ["io.kubernetes.cri-o.Devices"]
`,
    '/etc/crio/crio.conf.d/10-crun.conf': '[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"\n',
    '/etc/crio/crio.conf.d/20-more/x': '[crio.runtime]\ndefault_capabilities = ["KILL"]\n',
    '/etc/crio/crio.conf.d/30-last.conf':
      '[crio.runtime]\nno_pivot = false\n[crio.runtime.runtimes.runc]\nruntime_path = "/opt/runc"\n[crio.runtime.workloads.w]\nallowed_annotations = ["devices.crio.io"]\n',
  });
  const drop = (name: string): string => `/etc/crio/crio.conf.d/${name}`;
  for (const [name, expected] of [
    ['api.stream_address', `10.0.0.1 (${CONFIG})`],
    ['runtime.selinux', 'true (--selinux)'],
    ['runtime.log_level', 'debug (--log-level)'],
    ['runtime.pids_limit', '99 (CONTAINER_PIDS_LIMIT)'],
    ['runtime.no_pivot', `false (${drop('30-last.conf')})`],
    ['runtime.default_capabilities', `KILL (${drop('20-more/x')})`],
    ['runtime.hooks_dir', '/a,/b (--hooks-dir)'],
    ['runtime.read_only', undefined],
    ['api.listen', 'absent'],
  ] as const)
    t.equal(valueOf(crio, name), expected, name);
  t.same(crio.files, [CONFIG, drop('10-crun.conf'), drop('20-more/x'), drop('30-last.conf')]);
  // A handler of a later file replaces the whole one of the same name.
  t.match(crio.runtimes, {
    value: [
      { name: 'runc', path: '/opt/runc', annotations: [] },
      { name: 'crun', path: '/usr/bin/crun' },
    ],
  });
  t.match(crio.workloadAnnotations, { value: ['devices.crio.io'] });
  t.notMatch(JSON.stringify(crio), /geheim/);
});

t.test('other paths of the configuration', async (t) => {
  const named = await running(t, {
    '/proc/70/cmdline': 'crio\0-c\0/x.conf\0-d\0/x.d\0',
    '/x.conf': '[crio.runtime]\nselinux = true\n',
    '/x.d/1': '[crio.runtime]\npids_limit = 7\n',
    [CONFIG]: '[crio.runtime]\nselinux = false\n',
  });
  t.same(named.files, ['/x.conf', '/x.d/1']);
  const variables = await running(t, {
    '/proc/70/environ': 'CONTAINER_CONFIG=/y.conf\0',
    '/y.conf': '[crio.runtime]\nselinux = true\n',
  });
  t.same(variables.files, ['/y.conf']);
});

t.test('what is around the configuration', async (t) => {
  const crio = await running(
    t,
    {
      [CONFIG]:
        '[crio.runtime]\nseccomp_profile = "/etc/crio/s.json"\n[crio.runtime.runtimes.x]\nruntime_path = "/opt/x"\nseccomp_profile = "/none.json"\n[crio.image]\nglobal_auth_file = "/etc/auth.json"\n',
      '/etc/crio/s.json': '{"defaultAction": "SCMP_ACT_ALLOW"}',
      '/etc/auth.json': '{"auths": {"r.test": {"auth": "geheim"}}}',
      '/opt/x': '',
      '/usr/share/containers/oci/hooks.d/a.json': '{}',
      '/etc/containers/mounts.conf': '# none\n/root/keys:/keys\n',
      '/etc/containers/policy.json':
        '{"default": [{"type": "reject"}], "transports": {"docker": {"": [{"type": "insecureAcceptAnything"}]}}}',
      '/etc/crio/policies/shop.json': '{"default": [{"type": "sigstoreSigned", "keyPath": "/k"}]}',
      '/etc/containers/registries.conf':
        '[[registry]]\nlocation = "a.test"\ninsecure = true\n[[registry]]\nlocation = "b.test"\ninsecure = true\n',
      '/etc/containers/registries.conf.d/b.conf':
        '[[registry]]\nlocation = "b.test"\n[[registry]]\nprefix = "c.test"\nlocation = "c.test"\n[[registry.mirror]]\nlocation = "m.test"\ninsecure = true\n',
      '/opt/nri/plugins/10-x': '',
      '/usr/sbin/criu': '',
      '/run/crio/.keep': '',
    },
    (host) => {
      chmodSync(join(host.root, '/opt/x'), 0o777);
      chmodSync(join(host.root, '/etc/auth.json'), 0o640);
      const server = createServer().listen(join(host.root, '/run/crio/crio.sock'));
      t.teardown(() => server.close());
      chmodSync(join(host.root, '/run/crio/crio.sock'), 0o666);
    },
  );
  t.match(crio.seccompProfiles, [
    { usedBy: 'default', defaultAction: { value: 'SCMP_ACT_ALLOW' } },
    { usedBy: 'x', path: '/none.json', defaultAction: { state: 'absent' } },
  ]);
  t.match(crio.openFiles, { value: [{ path: '/opt/x', reason: /writable by everybody/ }] });
  t.match(crio.hooks, { value: ['/usr/share/containers/oci/hooks.d/a.json'] });
  t.match(crio.defaultMounts, { value: ['/root/keys:/keys'] });
  t.match(crio.imagePolicies, {
    value: [
      { path: '/etc/containers/policy.json', remote: 'anything' },
      { path: '/etc/crio/policies/shop.json', remote: 'verified' },
    ],
  });
  t.same(crio.insecureRegistries.state === 'seen' && crio.insecureRegistries.value.map(({ registry }) => registry), [
    'a.test',
    'c.test',
  ]);
  t.match(crio.credentialFiles, { value: [{ path: '/etc/auth.json', mode: 0o640 }] });
  t.match(crio.nriPlugins, { value: ['10-x'] });
  t.match(crio.criu, { value: '/usr/sbin/criu' });
  t.match(crio.socket, { value: { mode: 0o666, path: '/var/run/crio/crio.sock' } });
  t.notMatch(JSON.stringify(crio), /geheim/);
});

t.test('what cannot be relied on', async (t) => {
  const broken = await running(t, {
    '/proc/70/cmdline': 'crio\0--log-level=warn\0',
    [CONFIG]: '[crio.runtime]\nselinux = true\n',
    '/etc/crio/crio.conf.d/1': 'password = geheim',
  });
  t.match(broken.settings['runtime.selinux'], { state: 'unreadable', reason: /not understood/ });
  t.match(broken.runtimes, { state: 'unreadable' });
  t.equal(valueOf(broken, 'runtime.log_level'), 'warn (--log-level)');
  t.notMatch(JSON.stringify(broken), /geheim/);
  const open = await running(t, { [CONFIG]: '[crio.runtime]\nselinux = true\n' }, ({ root }) =>
    chmodSync(join(root, CONFIG), 0o666),
  );
  t.match(open.settings['runtime.selinux'], { state: 'unreadable', reason: /writable/ });
  t.match(open.openFiles, { value: [{ path: CONFIG }] });
  t.match(await inspect(t, { '/proc/70/cmdline': 'crio\0--log-level\0info\0config\0' }), { state: 'absent' });
  t.match(await inspect(t, processTree(71, { comm: 'crio', exe: '/usr/bin/crio' })), { state: 'unreadable' });
  // A program of a user with that name is not the node's.
  t.match(
    await inspect(
      t,
      processTree(70, { comm: 'crio', exe: '/usr/bin/crio', status: { Uid: '1000\t1000\t1000\t1000' } }),
    ),
    {
      state: 'absent',
    },
  );
});

// containers-policy.json(5): all requirements of a list have to be met; transports.docker[""] before default.
t.test('signature policies', (t) => {
  const any = '{"type": "insecureAcceptAnything"}';
  for (const [text, expected] of [
    [`{"default": [${any}]}`, 'anything'],
    [`{"default": [{"type": "reject"}]}`, 'rejected'],
    [`{"default": [${any}, {"type": "signedBy"}]}`, 'verified'],
    [`{"default": [${any}], "transports": {"docker": {"": [{"type": "sigstoreSigned"}]}}}`, 'verified'],
    [`{"default": [{"type": "reject"}], "transports": {"docker-daemon": {"": [${any}]}}}`, 'rejected'],
    [`{"default": [{"type": "later"}]}`, undefined],
    ['{"default": []}', undefined],
    ['[]', undefined],
    ['{', undefined],
  ] as const)
    t.equal(remoteOf(text), expected, text);
  t.same(
    [...registriesOf(parseToml('[registries.insecure]\nregistries = ["old.test", "localhost:5000"]') ?? {})],
    [
      ['old.test', true],
      ['localhost:5000', false],
    ],
  );
  t.end();
});

t.test('no input makes them throw', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.array(fc.string({ maxLength: 20 })),
      fc.jsonValue(),
      (noise, words, value) => {
        const table = parseToml(noise) ?? {};
        const odd = { crio: { runtime: value, api: value, ...table } };
        evaluate([{ path: '/x', table: odd }], parseStarted(words, words), '/x');
        registriesOf({ registry: value, registries: value });
        remoteOf(noise);
        remoteOf(JSON.stringify({ default: value, transports: { docker: value } }));
      },
    ),
    SEED,
  );
  t.end();
});
