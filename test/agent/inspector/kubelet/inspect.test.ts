import { chmodSync, utimesSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { fileInspector } from '../../../../agent/inspector/file/inspect.ts';
import { kubeletInspector } from '../../../../agent/inspector/kubelet/inspect.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { createFailedLooks } from '../../../../agent/inspector/unobserved/failed-looks.ts';
import type { NodeAccess } from '../../../../agent/node-access.ts';
import { createProber } from '../../../../agent/probe/tls-prober.ts';
import { chooseKubernetesBenchmark } from '../../../../posture/benchmark/kubernetes-benchmark.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import { kubeletSchema } from '../../../../posture/fact/kubelet.ts';
import type { KubeletFact } from '../../../../posture/fact/kubelet.ts';
import { judgeAll } from '../../../../posture/judge.ts';
import { absent } from '../../../../posture/observed.ts';
import { dockerFact, factsOf, noAgent, nodeFact } from '../../../fixture/facts.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { serveDocker } from '../../../fixture/inspector/docker-api.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree, TreeHost } from '../../../fixture/inspector/tree.ts';
import { ONE_ENGINE } from '../../../fixture/one-engine.ts';
import { makeCredentials } from '../../probe/certificates.ts';
import { KUBELET_PID, LAYOUTS } from './layouts.ts';

const runtime = await serveDocker(t, {});
const NO_SOCKETS = '  sl  local_address rem_address   st\n';

function accessOf(host: TreeHost): NodeAccess {
  return {
    host,
    runtime,
    prober: createProber(),
    inventory: () => Promise.resolve(nodeFact()),
    agent: noAgent,
    engines: ONE_ENGINE,
    cache: createParseCache(),
    failedLooks: createFailedLooks(),
    now: Date.now,
  };
}

/** A node of these files; without a table of sockets there are none. */
function nodeOf(t: Test, tree: Tree): NodeAccess & { readonly host: TreeHost } {
  const at = `/proc/${String(KUBELET_PID)}/net`;
  const host = treeHost(t, { '/proc/1/net/tcp': NO_SOCKETS, [`${at}/tcp`]: NO_SOCKETS, ...tree });
  return { ...accessOf(host), host };
}

const inspect = (access: NodeAccess): Promise<KubeletFact> => kubeletInspector.inspect(access, {});

for (const layout of LAYOUTS) {
  t.test(layout.name, async (t) => {
    const access = nodeOf(t, layout.tree);
    const kubelet = await inspect(access);
    t.match(kubelet.process, { state: 'seen', value: { pid: KUBELET_PID, program: layout.program ?? 'kubelet' } });
    t.ok(kubeletSchema.parse(kubelet).ok, 'the fact has its form');
    t.equal(kubelet.distribution, layout.distribution);
    t.equal(kubelet.version.state === 'seen' ? kubelet.version.value : undefined, layout.version, 'version');
    t.equal(chooseKubernetesBenchmark(kubelet, absent('x'))?.id, layout.benchmark, 'benchmark');
    for (const [name, value] of Object.entries(layout.settings)) {
      const setting = kubelet.settings[name];
      t.equal(setting?.state === 'seen' ? setting.value : undefined, value, name);
    }
    const files = await fileInspector.inspect(access, { kubelet, docker: dockerFact() });
    const own = files.filter(({ role }) => role.startsWith('kube') || role === 'azureCloudConfig');
    t.same(own.map(({ role, path }) => `${role} ${path}`).sort(), layout.files.toSorted(), 'files');
    // Whatever the tests run as owns the tree: of the checks of files only the modes say something here.
    const facts = factsOf({ kubelet, files: own });
    const findings = [...judgeAll(CHECKS, facts).values()].filter(({ check }) => check.startsWith('kubelet.'));
    for (const { check, verdict, reason } of findings)
      if (verdict !== 'pass') t.not(reason ?? '', '', `${check} is ${verdict}: says why`);
  });
}

t.test('Talos and kubens: a kubelet in a mount namespace of its own is not judged by files of the node', async (t) => {
  const kubelet = await inspect(
    nodeOf(t, {
      ...NODE_TREE,
      '/usr/local/bin/kubelet': '',
      ...processTree(KUBELET_PID, { comm: 'kubelet', exe: '/usr/local/bin/kubelet', namespaces: { mnt: 4026532777 } }),
    }),
  );
  t.match(kubelet.process, { state: 'unreadable', reason: /not in the mount namespace of the node/ });
  const findings = [...judgeAll(CHECKS, factsOf({ kubelet })).values()];
  for (const { check, verdict } of findings)
    if (/^kubelet\.|^file\.(?:kube|azure)/.test(check)) t.equal(verdict, 'unknown', check);
});

t.test('processes that only call themselves kubelet', async (t) => {
  const marker = { '/srv/secret': 'marker-4f1c' };
  const args = 'kubelet\0--config=/srv/secret\0--anonymous-auth=false\0';
  const impostors: readonly (readonly [string, Tree, 'absent' | 'unreadable'])[] = [
    [
      'of a user',
      processTree(KUBELET_PID, {
        comm: 'kubelet',
        exe: '/usr/bin/kubelet',
        cmdline: args,
        status: { Uid: '1000\t1000\t1000\t1000' },
      }),
      'absent',
    ],
    [
      'in a container',
      processTree(KUBELET_PID, {
        comm: 'kubelet',
        exe: '/usr/bin/kubelet',
        cmdline: args,
        cgroup: `0::/docker/${'cd'.repeat(32)}\n`,
      }),
      'absent',
    ],
    [
      'another program',
      processTree(KUBELET_PID, { comm: 'kubelet', exe: '/usr/bin/perl', cmdline: args }),
      'unreadable',
    ],
    [
      'k3s as a client',
      processTree(KUBELET_PID, { comm: 'kubectl', exe: '/usr/local/bin/k3s', cmdline: args }),
      'absent',
    ],
  ];
  for (const [name, tree, state] of impostors) {
    const programs = { '/usr/bin/kubelet': '', '/usr/bin/perl': '', '/usr/local/bin/k3s': '' };
    const kubelet = await inspect(nodeOf(t, { ...NODE_TREE, ...programs, ...marker, ...tree }));
    t.equal(kubelet.process.state, state, name);
    t.same(kubelet.settings, {}, `${name}: nothing is read for it`);
    t.notMatch(JSON.stringify(kubelet), /marker-4f1c/);
  }
});

t.test('two kubelets: the one that listens, or neither', async (t) => {
  const table = `${NO_SOCKETS}   0: 00000000:280A 00000000:0000 0A 0:0 0:0 0 0 0 11 1\n`;
  const base = { ...NODE_TREE, '/usr/bin/kubelet': '', '/proc/1/net/tcp': table };
  const kubelet = (pid: number, sockets: readonly number[]): Tree =>
    processTree(pid, { comm: 'kubelet', exe: '/usr/bin/kubelet', sockets });
  const processOf = async (second: Tree): Promise<KubeletFact['process']> =>
    (await inspect(nodeOf(t, { ...base, ...kubelet(KUBELET_PID, [11]), ...second }))).process;
  t.match(await processOf(kubelet(900, [])), { state: 'seen', value: { pid: KUBELET_PID } });
  const both = { state: 'unreadable', reason: /several kubelets run: pid 712, 900/ };
  t.match(await processOf(kubelet(900, [11])), both);
  t.match(await processOf({ ...kubelet(900, []), '/proc/900/fd': '-> fd' }), both, 'sockets that cannot be read');
});

t.test('a kubelet that ends while it is read is not one without flags', async (t) => {
  const { tree } = LAYOUTS[0] ?? { tree: {} };
  const kubelet = await inspect(nodeOf(t, { ...tree, [`/proc/${String(KUBELET_PID)}/cmdline`]: '' }));
  t.match(kubelet.process, { state: 'unreadable', reason: /cmdline is empty/ });
});

t.test('files that others can write are not believed', async (t) => {
  const { tree } = LAYOUTS[0] ?? { tree: {} };
  const access = nodeOf(t, tree);
  chmodSync(join(access.host.root, '/var/lib/kubelet/config.yaml'), 0o666);
  const kubelet = await inspect(access);
  t.match(kubelet.settings['authentication.anonymous.enabled'], {
    state: 'unreadable',
    reason: /writable by everybody/,
  });
  t.match(kubelet.settings['--kubeconfig'], { state: 'seen' }, 'flags still count');
});

t.test('a kubelet that may get its configuration from the API server', async (t) => {
  // Kubernetes 1.11 to 1.23: the object that the Node names takes the place of the file of --config, flags stay.
  const tree: Tree = LAYOUTS[0]?.tree ?? {};
  const cmdline = `/proc/${String(KUBELET_PID)}/cmdline`;
  const flags = `${String(tree[cmdline])}--dynamic-config-dir=/var/lib/kubelet/dynamic\0--event-qps=7\0`;
  const { settings } = await inspect(nodeOf(t, { ...tree, [cmdline]: flags }));
  t.match(settings['authentication.anonymous.enabled'], { state: 'unreadable', reason: /from the API server/ });
  t.match(settings['readOnlyPort'], { state: 'unreadable' }, 'no default either');
  t.match(settings['eventRecordQPS'], { state: 'seen', value: '7' });
});

t.test('the addresses that systemd lets in, systemd.resource-control(5)', async (t) => {
  const at = `/proc/${String(KUBELET_PID)}/cgroup`;
  const etc = '/etc/systemd/system';
  const slice = { [`${etc}/system.slice.d/ip.conf`]: '[Slice]\nIPAddressDeny=any\nIPAddressAllow=localhost\n' };
  const unit = (settings: string): Tree => ({ [`${etc}/kubelet.service`]: `[Service]\n${settings}` });
  const cases: readonly (readonly [string, Tree, readonly string[], readonly string[]])[] = [
    ['none', unit(''), [], []],
    [
      'of the unit, its drop-ins and its slice',
      {
        ...slice,
        ...unit('IPAddressAllow=192.0.2.1 2001:db8::/64\n'),
        [`${etc}/kubelet.service.d/a.conf`]: '[Service]\nIPAddressAllow=10.0.0.0/8\n',
      },
      ['192.0.2.1', '2001:db8::/64', '10.0.0.0/8', 'localhost'],
      ['any'],
    ],
    ['an empty value ends the list of the slice', { ...slice, ...unit('IPAddressDeny=\n') }, ['localhost'], []],
    ['another section', unit('[Unit]\nIPAddressDeny=any\n'), [], []],
    [
      'systemctl set-property',
      {
        ...unit('IPAddressDeny=any\n'),
        '/run/systemd/system.control/kubelet.service.d/50-IPAddressAllow.conf': '[Service]\nIPAddressAllow=any\n',
      },
      ['any'],
      ['any'],
    ],
    [
      'cgroups of version 1',
      { ...unit('IPAddressDeny=any\n'), [at]: '4:pids:/system.slice/kubelet.service\n' },
      [],
      [],
    ],
  ];
  const base: Tree = { ...LAYOUTS[1]?.tree, [at]: '0::/system.slice/kubelet.service\n' };
  for (const [name, tree, allow, deny] of cases)
    t.match(
      (await inspect(nodeOf(t, { ...base, ...tree }))).addressFilter,
      { state: 'seen', value: { allow, deny } },
      name,
    );
  const access = nodeOf(t, { ...base, ...unit('IPAddressDeny=any\n') });
  chmodSync(join(access.host.root, `${etc}/kubelet.service`), 0o666);
  t.match((await inspect(access)).addressFilter, { state: 'unreadable', reason: /writable by everybody/ });
});

t.test('a file that is newer than the process', async (t) => {
  const { tree } = LAYOUTS[0] ?? { tree: {} };
  const access = nodeOf(t, tree);
  const path = join(access.host.root, '/var/lib/kubelet/config.yaml');
  const verdictOf = async (): Promise<string | undefined> =>
    [...judgeAll(CHECKS, factsOf({ kubelet: await inspect(access) })).values()].find(
      ({ check }) => check === 'kubelet.pending-restart',
    )?.verdict;
  // The process started at 1795603004 s.
  utimesSync(path, 1_795_603_000, 1_795_603_000);
  t.equal(await verdictOf(), 'pass');
  utimesSync(path, 1_795_603_100, 1_795_603_100);
  t.equal(await verdictOf(), 'manual');
});

t.test('its sockets, and what a client without credentials gets', async (t) => {
  const credentials = await makeCredentials('ec');
  let status = 401;
  const server = createHttpsServer(
    { ...credentials.server, ca: credentials.ca, requestCert: true, rejectUnauthorized: false },
    // As the kubelet does: it authenticates requests for paths that it knows only.
    (request, response) => response.writeHead(request.url === '/healthz' ? status : 404).end(),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const row = (address: string, number: number, inode: number): string =>
    `   0: ${address}:${number.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A 0:0 0:0 0 0 0 ${String(inode)} 1\n`;
  const table = NO_SOCKETS + row('0100007F', port, 11) + row('00000000', 10255, 12) + row('00000000', 22, 13);
  const args = ['/usr/bin/kubelet', `--port=${String(port)}`, '--anonymous-auth=false', ''].join('\0');
  const node = (sockets: readonly number[]): Promise<KubeletFact> =>
    inspect(
      nodeOf(t, {
        ...NODE_TREE,
        '/usr/bin/kubelet': '',
        '/proc/1/net/tcp': table,
        ...processTree(KUBELET_PID, { comm: 'kubelet', exe: '/usr/bin/kubelet', cmdline: args, sockets }),
      }),
    );
  const verdicts = async (sockets: readonly number[]): Promise<Readonly<Record<string, string>>> => {
    const findings = judgeAll(CHECKS, factsOf({ kubelet: await node(sockets) }));
    return Object.fromEntries([...findings.values()].map(({ check, verdict }) => [check, verdict]));
  };
  const kubelet = await node([11, 12]);
  t.match(kubelet.listeners, {
    state: 'seen',
    value: [
      { address: '127.0.0.1', port, loopback: true },
      { address: '0.0.0.0', port: 10255, loopback: false },
    ],
  });
  t.match(kubelet.api, {
    state: 'seen',
    value: { protocol: 'tls', clientCertificate: 'required', answer: /^HTTP 401/ },
  });
  t.match(await verdicts([11, 12]), { 'kubelet.anonymous-auth': 'pass', 'kubelet.read-only-port': 'fail' });
  status = 403;
  t.match(await verdicts([11]), { 'kubelet.anonymous-auth': 'fail', 'kubelet.authorization-mode': 'fail' });
  status = 200;
  t.match(await verdicts([11]), { 'kubelet.anonymous-auth': 'fail', 'kubelet.authorization-mode': 'fail' });
  t.equal((await node([12])).api.state, 'absent', 'a port that it does not hold is not probed');
});
