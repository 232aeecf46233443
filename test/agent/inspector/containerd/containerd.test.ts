import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { evaluate, importsOf, parseToml, versionOf } from '../../../../agent/inspector/containerd/config.ts';
import { containerdsInspector } from '../../../../agent/inspector/containerd/inspect.ts';
import { containerdsSchema } from '../../../../posture/fact/containerd.ts';
import type { ContainerdDaemon, ContainerdsFact } from '../../../../posture/fact/containerd.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { SEED } from '../../../fixture/inspector/read.ts';
import { temporaryDirectory, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

const CONFIG = '/etc/containerd/config.toml';
const RUNNING: Tree = {
  '/usr/bin/containerd': '',
  ...processTree(70, { comm: 'containerd', exe: '/usr/bin/containerd' }),
};

async function inspect(t: Test, tree: Tree, change: (root: string) => void = () => {}): Promise<ContainerdsFact> {
  const host = treeHost(t, { ...NODE_TREE, ...RUNNING, ...tree });
  change(host.root);
  const fact = await containerdsInspector.inspect(await accessTo(t, host), {});
  t.ok(containerdsSchema.parse(fact).ok);
  return fact;
}
function first(fact: ContainerdsFact): ContainerdDaemon {
  const daemon = fact.daemons.state === 'seen' ? fact.daemons.value[0] : undefined;
  if (daemon === undefined) throw new Error('no containerd was seen');
  return daemon;
}
const valueOf = (daemon: ContainerdDaemon, name: string): unknown => {
  const setting = daemon.settings[name];
  return setting?.state === 'seen' ? setting.value : setting?.state;
};

const MAIN = `version = 2
imports = ["conf.d/*.toml"]
disabled_plugins = ["io.containerd.internal.v1.opt"]
[debug]
  level = "debug"
[grpc]
  tcp_address = "127.0.0.1:4999"
[plugins."io.containerd.grpc.v1.cri"]
  enable_selinux = true
  stream_server_address = "10.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
  runtime_type = "io.containerd.kata.v2"
`;
const IMPORTED = `version = 2
[debug]
  level = "warn"
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "10.0.0.2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    NoPivotRoot = true
`;

const hasContainerd = existsSync('/usr/bin/containerd');
t.test(
  'what containerd itself makes of the same files',
  { skip: hasContainerd ? false : 'no containerd' },
  async (t) => {
    const at = temporaryDirectory(t);
    mkdirSync(join(at, 'conf.d'));
    writeFileSync(join(at, 'config.toml'), MAIN);
    writeFileSync(join(at, 'conf.d/a.toml'), IMPORTED);
    const dump = execFileSync('/usr/bin/containerd', ['--config', join(at, 'config.toml'), 'config', 'dump'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const theirs = evaluate([{ path: 'dump', table: parseToml(dump) ?? {} }], 2);
    const ours = first(await inspect(t, { [CONFIG]: MAIN, '/etc/containerd/conf.d/a.toml': IMPORTED }));
    const defaults: Readonly<Record<string, string>> = { 'cri.enable_selinux': 'false' };
    for (const name of ['debug.level', 'grpc.tcp_address', 'cri.stream_server_address', 'cri.enable_selinux']) {
      const setting = theirs.settings[name];
      const own = valueOf(ours, name);
      t.equal(
        own === 'absent' ? defaults[name] : own,
        setting?.state === 'seen' ? setting.value : setting?.state,
        name,
      );
    }
    const runtimes = (each: ContainerdDaemon['runtimes']): unknown =>
      each.state === 'seen' && each.value.map(({ name, noPivotRoot }) => [name, noPivotRoot]);
    t.same(runtimes(ours.runtimes), runtimes(theirs.runtimes));
  },
);

// containerd docs/cri/config.md: the same settings in the versions of the file.
t.test('versions of the file', (t) => {
  const of = (text: string): Readonly<Record<string, unknown>> => {
    const table = parseToml(text) ?? {};
    const { settings, hasCri } = evaluate([{ path: '/c', table }], versionOf(table));
    return {
      ...Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [name, value.state === 'seen' ? value.value : value.state]),
      ),
      hasCri,
    };
  };
  t.match(of('[plugins.cri]\nenable_selinux = true\n[grpc]\ntcp_address = "a"\n'), {
    'cri.enable_selinux': 'true',
    'grpc.tcp_address': 'a',
  });
  t.match(of('version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = true\n'), {
    'cri.enable_selinux': 'true',
  });
  t.match(
    of(
      'version = 3\n[plugins."io.containerd.cri.v1.runtime"]\nenable_selinux = true\n[plugins."io.containerd.grpc.v1.cri"]\nstream_server_address = "b"\nenable_selinux = false\n',
    ),
    { 'cri.enable_selinux': 'true', 'cri.stream_server_address': 'b' },
  );
  t.match(
    of(
      'version = 4\n[plugins."io.containerd.server.v1.grpc-tcp"]\naddress = "c"\ntls_ca = "/ca"\n[plugins."io.containerd.server.v1.debug"]\nlevel = "trace"\n',
    ),
    { 'grpc.tcp_address': 'c', 'grpc.tcp_tls_ca': '/ca', 'debug.level': 'trace' },
  );
  // The default configuration of 1.7 and of 2.x, and `PluginConfig` of 1.7.
  t.match(of('version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "p@sha256:1"\n'), {
    'cri.sandbox_image': 'p@sha256:1',
  });
  t.match(
    of(
      'version = 3\n[plugins."io.containerd.cri.v1.images"]\nsandbox_image = "x"\n[plugins."io.containerd.cri.v1.images".pinned_images]\nsandbox = "p:3"\n',
    ),
    { 'cri.sandbox_image': 'p:3' },
  );
  const legacy = (of: string): string =>
    `version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\ndefault_runtime_name = "runc"\n[plugins."io.containerd.grpc.v1.cri".containerd.default_runtime]\nruntime_type = "${of}"\n`;
  t.match(of(legacy('io.containerd.kata.v2')), { 'cri.default_runtime_name': 'default' });
  t.match(of(legacy('')), { 'cri.default_runtime_name': 'runc' }, 'as `containerd config default` prints it');
  t.match(of('version = 3\n[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = true\n'), {
    'cri.enable_selinux': 'absent',
  });
  t.match(of('disabled_plugins = ["cri"]\n'), { hasCri: false });
  t.match(
    evaluate(
      [
        { path: '/a', table: parseToml('[plugins."io.containerd.cri.v1.runtime"]\nenable_selinux = true') ?? {} },
        { path: '/b', table: parseToml('[plugins."io.containerd.cri.v1.runtime"]\nenable_cdi = true') ?? {} },
      ],
      3,
    ).settings['cri.enable_selinux'],
    { state: 'unreadable', reason: /several files/ },
  );
  t.end();
});

t.test('registries, in the file and in hosts.toml', async (t) => {
  const daemon = first(
    await inspect(t, {
      [CONFIG]:
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n[plugins."io.containerd.grpc.v1.cri".registry.configs."r.test".auth]\npassword = "geheim"\n',
      '/etc/containerd/certs.d/a.test/hosts.toml':
        'server = "https://a.test"\n[host."https://m.test"]\nskip_verify = true\n',
      '/etc/containerd/certs.d/b.test/hosts.toml': 'server = "http://b.test"\n',
      '/etc/containerd/certs.d/c.test/hosts.toml': '[host."http://127.0.0.1:5000"]\ncapabilities = ["pull"]\n',
    }),
  );
  t.match(daemon.insecureRegistries, {
    value: [
      { registry: 'a.test', reason: /not verified/ },
      { registry: 'b.test', reason: 'http' },
    ],
  });
  t.equal(daemon.insecureRegistries.state === 'seen' && daemon.insecureRegistries.value.length, 2);
  t.same(daemon.credentialFiles, [CONFIG]);
  t.notMatch(JSON.stringify(daemon), /geheim/);
  const old = first(
    await inspect(t, {
      [CONFIG]:
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."x"]\nendpoint = ["http://10.0.0.1:5000"]\n[plugins."io.containerd.grpc.v1.cri".registry.configs."y".tls]\ninsecure_skip_verify = true\n',
    }),
  );
  t.match(old.insecureRegistries, { value: [{ registry: 'x', reason: 'http' }, { registry: 'y' }] });
});

t.test('what cannot be relied on', async (t) => {
  t.match((await inspect(t, { [CONFIG]: 'version = ' })).daemons, { state: 'unreadable', reason: /not understood/ });
  const open = await inspect(t, { [CONFIG]: 'version = 2\n', '/opt/cni/bin/x': '' }, (root) => {
    chmodSync(join(root, CONFIG), 0o666);
    chmodSync(join(root, '/opt/cni/bin'), 0o777);
  });
  t.match(open.daemons, { state: 'unreadable', reason: /writable/ });
  t.match(open.openDirectories, { value: [{ path: '/opt/cni/bin' }] });
  const none = first(await inspect(t, {}));
  t.match(none, { version: 0, files: [], hasCri: true, config: CONFIG });
  const named = first(
    await inspect(t, { '/proc/70/cmdline': 'containerd\0--config\0/x.toml\0', '/x.toml': 'version = 3\n' }),
  );
  t.match(named, { version: 3, files: ['/x.toml'] });
});

t.test('directories of plugins that the configuration names', async (t) => {
  // By `containerd config default` of 1.7 and docs/cri/config.md of 2.x: a key of each table, and the directory it names.
  const v2 = 'plugins."io.containerd.grpc.v1.cri"';
  const v3 = 'plugins."io.containerd.cri.v1.runtime"';
  const cases: readonly (readonly [version: number, text: string, directory: string])[] = [
    [2, `[${v2}.cni]\nbin_dir = "/x/cni"`, '/x/cni'],
    [2, `[${v2}.cni]\nconf_dir = "/x/net.d"`, '/x/net.d'],
    [2, `[${v2}.containerd.runtimes.x]\ncni_conf_dir = "/x/net.d"`, '/x/net.d'],
    [1, '[plugins.cri.cni]\nbin_dir = "/x/cni"', '/x/cni'],
    [3, `[${v3}.cni]\nbin_dirs = ["/opt/cni/bin", "/x/cni"]`, '/x/cni'],
    [3, `[${v3}]\ncdi_spec_dirs = ["/x/cdi"]`, '/x/cdi'],
    [4, `[${v3}.cni]\nconf_dir = "/x/net.d"`, '/x/net.d'],
    [3, '[plugins."io.containerd.nri.v1.nri"]\nplugin_path = "/x/nri"', '/x/nri'],
    [2, '[stream_processors.x]\npath = "/x/bin"', '/x/bin'],
    [3, '[proxy_plugins.x]\naddress = "/x/run"', '/x/run'],
    [2, '[plugins."io.containerd.nri.v1.nri"]\nplugin_config_path = "/x/nri.d"', '/x/nri.d'],
    [2, '[plugins."io.containerd.image-verifier.v1.bindir"]\nbin_dir = "/x/verify"', '/x/verify'],
    [2, '[plugins."io.containerd.internal.v1.opt"]\npath = "/x/opt"', '/x/opt/bin'],
  ];
  for (const [version, text, directory] of cases) {
    const tree = { [CONFIG]: `version = ${String(version)}\n${text}\n`, [`${directory}/x`]: '' };
    t.match((await inspect(t, tree)).openDirectories, { state: 'seen', value: [] }, text);
    const open = await inspect(t, tree, (root) => chmodSync(join(root, directory), 0o777));
    t.match(open.openDirectories, { value: [{ path: directory, reason: /writable/ }] }, text);
  }
  for (const text of ['version = ', 'version = 2\n[plugins."io.containerd.nri.v1.nri"]\nplugin_path = "nri"\n'])
    t.match((await inspect(t, { [CONFIG]: text })).openDirectories, { state: 'unreadable' }, text);
});

t.test('no input makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.jsonValue(), (noise, value) => {
      const table = parseToml(noise) ?? (value as Record<string, unknown> | null) ?? {};
      if (typeof table !== 'object') return;
      for (const version of [1, 2, 3, 4]) evaluate([{ path: '', table: { plugins: table, ...table } }], version);
      importsOf(table);
      versionOf(table);
    }),
    SEED,
  );
  t.end();
});

t.test('plugins beside those of containerd itself', async (t) => {
  const fact = await inspect(t, {
    [CONFIG]: `version = 3
imports = ["/etc/containerd/more.toml"]
disabled_plugins = ["cri", "io.containerd.internal.v1.opt"]
[proxy_plugins.stargz]
type = "snapshot"
address = "/run/stargz/stargz.sock"
[plugins."io.containerd.nri.v1.nri"]
plugin_path = "/x/nri"
[stream_processors.decoder]
path = "/x/bin/ctd-decoder"
`,
    '/etc/containerd/more.toml': `disabled_plugins = ["cri"]\n[proxy_plugins.other]\ntype = "content"\n`,
    '/x/nri/10-logger': '',
    '/opt/nri/plugins/20-unused': '',
  });
  t.match(first(fact), {
    proxyPlugins: {
      value: [
        { name: 'stargz', address: '/run/stargz/stargz.sock' },
        { name: 'other', address: '' },
      ],
    },
    disabledPlugins: { value: ['cri', 'io.containerd.internal.v1.opt'] },
  });
  t.strictSame(fact.nriPlugins, { state: 'seen', value: ['10-logger'], source: '/x/nri' });
  const flood = Array.from({ length: 65 }, (_, index) => `[proxy_plugins.p${String(index)}]\n`).join('');
  t.match(first(await inspect(t, { [CONFIG]: flood })).proxyPlugins, { state: 'unreadable', reason: /more than 64/ });
});

t.test('the package of its program', async (t) => {
  const stanza = 'Package: containerd.io\nStatus: install ok installed\nVersion: 2.3.7-1\n';
  const dpkg = { '/var/lib/dpkg/status': stanza, '/var/lib/dpkg/info/containerd.io.list': '/usr/bin/containerd\n' };
  const { executable, package: installed } = first(await inspect(t, dpkg));
  t.equal(executable, '/usr/bin/containerd');
  t.match(installed, { state: 'seen', value: { name: 'containerd.io', version: '2.3.7-1' } });
  t.match(first(await inspect(t, {})).package, { state: 'absent' });
  t.match(first(await inspect(t, { '/var/lib/rpm/x': '' })).package, { state: 'unreadable', source: '/var/lib/rpm' });
});
