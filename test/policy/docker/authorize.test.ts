import fc from 'fast-check';
import t from 'tap';
import { authorize } from '../../../policy/docker/authorize.ts';
import type { Authorization } from '../../../policy/docker/authorize.ts';
import { builtInPolicy, parseContainerPolicy } from '../../../policy/docker/container-policy.ts';
import type { ContainerPolicy } from '../../../policy/docker/container-policy.ts';
import type { Decision } from '../../../policy/decide.ts';
import type { Reason } from '../../../policy/reason.ts';
import { cpuMs } from '../../fixture/cpu-time.ts';

/*
 * Expectations follow the source of moby: its routes, the fields of HostConfig, and how Go reads HTTP and JSON.
 * test/authz/dockerd.test.ts compares with a real dockerd.
 */

function policyOf(spec: object): ContainerPolicy {
  const head = { apiVersion: 'plimsoll.dev/v1', kind: 'ContainerPolicy', metadata: { name: 'test' } };
  const parsed = parseContainerPolicy({ value: { ...head, spec }, source: 'test' });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

interface Given {
  readonly spec?: object;
  readonly method?: string;
  readonly target?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly client?: string;
  readonly judgeImage?: (reference: string) => Decision;
  /** Default: true. */
  readonly isCgroupV2?: boolean;
}

function ask(given: Given): Authorization {
  const { spec = {}, method = 'POST', target = CREATE, body, headers, client, judgeImage, isCgroupV2 = true } = given;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const bytes = body === undefined ? undefined : new TextEncoder().encode(text);
  const defaults = { 'Content-Length': String(bytes?.length ?? 0) };
  const request = { client, method, target, headers: headers ?? defaults, body: bytes };
  return authorize(request, { policies: [policyOf(spec)], judgeImage, isCgroupV2 });
}

const CREATE = '/v1.45/containers/create';
const withHostConfig = (HostConfig: object, spec: object = {}): Authorization =>
  ask({ body: { Image: 'a', HostConfig }, spec });

t.test('each setting that gives power over the host is refused, and allowed where the policy says so', (t) => {
  const driver = { Name: 'local', Options: { type: 'none', o: 'bind,ro', device: '/srv/a' } };
  const cases: readonly (readonly [hostConfig: object, spec: object])[] = [
    [{ Privileged: true }, { allowPrivileged: true }],
    [{ PidMode: 'host' }, { allowHostNamespaces: ['pid'] }],
    [{ IpcMode: 'host' }, { allowHostNamespaces: ['ipc'] }],
    [{ UTSMode: 'host' }, { allowHostNamespaces: ['uts'] }],
    [{ UsernsMode: 'host' }, { allowHostNamespaces: ['user'] }],
    [{ CgroupnsMode: 'host' }, { allowHostNamespaces: ['cgroup'] }],
    [{ NetworkMode: 'host' }, { allowHostNamespaces: ['network'] }],
    [{ PidMode: 'container:x' }, { allowContainerNamespaces: true }],
    [{ IpcMode: 'container:x' }, { allowContainerNamespaces: true }],
    [{ NetworkMode: 'container:x' }, { allowContainerNamespaces: true }],
    [{ Binds: ['/srv/a:/x'] }, { hostPaths: [{ path: '/srv/a' }] }],
    [{ Binds: ['/srv/a/:/x:rw'] }, { hostPaths: [{ path: '/srv/**' }] }],
    [{ Binds: ['/:/x'] }, { hostPaths: [{ path: '/**' }] }],
    [{ Binds: ['/srv/a:/x:ro'] }, { hostPaths: [{ path: '/srv/a', readOnly: true }] }],
    [{ Mounts: [{ Type: 'bind', Source: '/srv/a', Target: '/x' }] }, { hostPaths: [{ path: '/srv/a' }] }],
    [
      { Mounts: [{ Type: 'volume', Source: 'v', Target: '/x', VolumeOptions: { DriverConfig: driver } }] },
      { hostPaths: [{ path: '/srv/a', readOnly: true }] },
    ],
    [{ VolumesFrom: ['x'] }, { allowVolumesFrom: true }],
    [{ VolumeDriver: 'nfs' }, { volumeDrivers: ['nfs'] }],
    [{ CapAdd: ['CAP_SYS_ADMIN'] }, { capabilities: ['SYS_ADMIN'] }],
    [{ CapAdd: ['sys_ptrace'] }, { capabilities: ['CAP_SYS_*'] }],
    [{ CapAdd: ['ALL'] }, { allowPrivileged: true }],
    [{ SecurityOpt: ['seccomp=unconfined'] }, { securityOptions: ['seccomp=*'] }],
    [{ SecurityOpt: ['label:disable'] }, { securityOptions: ['label=disable'] }],
    [{ SecurityOpt: ['no-new-privileges=false'] }, { securityOptions: ['no-new-privileges=*'] }],
    [{ Sysctls: { 'net.core.somaxconn': '1' } }, { sysctls: ['net.core.*'] }],
    [{ Devices: [{ PathOnHost: '/dev/fuse' }] }, { devices: ['/dev/fuse'] }],
    [{ DeviceCgroupRules: ['c 1:1 r'] }, { devices: ['*'] }],
    [{ DeviceRequests: [{ Driver: 'cdi' }] }, { deviceDrivers: ['cdi'] }],
    [{ Runtime: '/tmp/shim' }, { runtimes: ['/tmp/*'] }],
    [{ CgroupParent: '/a' }, { cgroupParents: ['/a'] }],
    [{ MaskedPaths: [] }, { allowUnmaskedPaths: true }],
    [{ ReadonlyPaths: ['/proc/bus'] }, { allowUnmaskedPaths: true }],
    [{ ReadonlyPaths: [] }, { allowUnmaskedPaths: true }],
    [{ Annotations: { a: 'b' } }, { annotations: ['a'] }],
    [{ LogConfig: { Type: 'syslog' } }, { logDrivers: ['sys*'] }],
    [{ LogConfig: { Config: { 'fluentd-address': 'unix:///run/x' } } }, { mode: 'warn' }],
    [{ OomScoreAdj: -1 }, { capabilities: ['CAP_SYS_RESOURCE'] }],
    [{ OomScoreAdj: '-1' }, { mode: 'warn' }],
    [{ Ulimits: [{ Name: 'RtPrio', Soft: 0, Hard: 1 }] }, { capabilities: ['sys_nice'] }],
    [{ Ulimits: [{ Name: 'nice', Soft: -1, Hard: -1 }] }, { capabilities: ['SYS_*'] }],
    [{ Ulimits: [{ Name: 'n\u0131ce', Soft: 0, Hard: 21 }] }, { allowPrivileged: true }],
    [{ Binds: ['/srv/a:/x:shared'] }, { hostPaths: [{ path: '/srv/a' }], allowPrivileged: true }],
  ];
  for (const [hostConfig, spec] of cases) {
    const what = JSON.stringify(hostConfig);
    t.notOk(withHostConfig(hostConfig).isAllowed, `${what} is refused`);
    t.ok(withHostConfig(hostConfig, spec).isAllowed, `${what} is allowed`);
    t.notOk(ask({ body: { Image: 'a', ...hostConfig } }).isAllowed, `${what} at the top level, as until 26`);
    t.ok(withHostConfig(hostConfig, { mode: 'warn' }).isAllowed, `${what} passes in mode warn`);
    t.not(withHostConfig(hostConfig, { mode: 'warn' }).violations.length, 0, `${what} is reported in mode warn`);
  }
  t.end();
});

t.test('what the policy allows does not cover more', (t) => {
  const hostPaths = [{ path: '/srv/a' }, { path: '/srv/ro/**', readOnly: true }];
  const spec = { hostPaths, devices: ['/dev/nvidia*'], cgroupParents: ['/tenants/*'] };
  const readOnly = { Type: 'bind', Source: '/srv/ro/x', Target: '/x', ReadOnly: true };
  const cases: readonly object[] = [
    { Binds: ['/srv/a/b:/x'] },
    { Binds: ['/srv/ab:/x'] },
    { Binds: ['/srv/a/../..:/x'] },
    { Binds: ['/srv//a:/x'] },
    { Binds: ['../etc:/x'] },
    { Binds: ['/srv/ro/x:/x'] },
    { Binds: ['/srv/ro/x:/x:ro,rw'] },
    { Binds: ['/srv/row:/x:ro'] },
    { Mounts: [{ ...readOnly, ReadOnly: false }] },
    { Mounts: [{ ...readOnly, BindOptions: { ReadOnlyNonRecursive: true } }] },
    { Mounts: [{ ...readOnly, BindOptions: { Propagation: 'rshared' } }] },
    { Mounts: [{ ...readOnly, Type: 'BIND' }] },
    { Mounts: [{ Type: 'npipe', Source: '/x', Target: '/x' }] },
    { Mounts: [null] },
    { Devices: [{ PathOnHost: '/dev/nvidia/../sda' }] },
    { CgroupParent: '/tenants/../system.slice' },
  ];
  for (const hostConfig of cases) t.notOk(withHostConfig(hostConfig, spec).isAllowed, JSON.stringify(hostConfig));
  t.ok(withHostConfig({ Mounts: [readOnly] }, spec).isAllowed);
  for (const hostConfig of [{ Mounts: [readOnly] }, { Binds: ['/srv/ro/x:/x:ro'] }]) {
    const body = { Image: 'a', HostConfig: hostConfig };
    const old = ask({ body, spec, target: '/v1.43/containers/create' });
    t.notOk(old.isAllowed, 'before API 1.44 what is mounted below stays writable');
    t.ok(ask({ body, spec, target: '/v1.44/containers/create' }).isAllowed);
  }
  t.end();
});

t.test('fields that mean nothing, and what clients send anyway, are allowed', (t) => {
  const docker = {
    Binds: null,
    MaskedPaths: null,
    ReadonlyPaths: null,
    NetworkMode: 'default',
    IpcMode: 'private',
    CgroupnsMode: '',
    Devices: [],
    OomScoreAdj: 500,
    Ulimits: [
      { Name: 'nofile', Soft: 1024, Hard: 1048576 },
      { Name: 'nice', Soft: 0, Hard: 20 },
    ],
    ConsoleSize: [0, 0],
    LogConfig: { Type: '', Config: { 'max-size': '10m', tag: '{{.Name}}' } },
    PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
    SecurityOpt: ['no-new-privileges'],
    CapAdd: ['NET_RAW'],
    Mounts: [{ Type: 'tmpfs', Target: '/t' }],
    SomethingNew: false,
  };
  t.strictSame(withHostConfig(docker).violations, []);
  t.notOk(withHostConfig({ SomethingNew: true }).isAllowed, 'a new field with a value');
  t.notOk(ask({ body: { Image: 'a', SomethingNew: 1 } }).isAllowed);
  t.end();
});

t.test('without cgroup v2 the cgroup namespace of the host is the default, so a mode is needed', (t) => {
  // `adaptContainerSettings` of moby; `postContainersCreate` for versions before 1.41.
  const cases: readonly (readonly [what: string, given: Given, isAllowed: boolean])[] = [
    ['no mode', { body: { Image: 'a' } }, false],
    ['empty', { body: { Image: 'a', HostConfig: { CgroupnsMode: '' } } }, false],
    ['another case', { body: { Image: 'a', hostconfig: { cgroupnsmode: 'private' } } }, true],
    ['private', { body: { Image: 'a', HostConfig: { CgroupnsMode: 'private' } } }, true],
    ['only above, which engines from 27 on ignore', { body: { Image: 'a', CgroupnsMode: 'private' } }, false],
    [
      'a field above, so that engines up to 26 ignore HostConfig',
      { body: { Image: 'a', AutoRemove: true, HostConfig: { CgroupnsMode: 'private' } } },
      false,
    ],
    [
      'both',
      { body: { Image: 'a', AutoRemove: true, CgroupnsMode: 'private', HostConfig: { CgroupnsMode: 'private' } } },
      true,
    ],
    ['host', { body: { Image: 'a', HostConfig: { CgroupnsMode: 'host' } } }, false],
    ['allowed by the policy', { body: { Image: 'a' }, spec: { allowHostNamespaces: ['cgroup'] } }, true],
    ['before API 1.41', { body: { Image: 'a' }, target: '/v1.40/containers/create' }, false],
    [
      'a service, which has no such field',
      {
        target: '/services/create',
        spec: { operations: ['services'] },
        body: { TaskTemplate: { ContainerSpec: { Image: 'a' } } },
      },
      false,
    ],
  ];
  for (const [what, given, isAllowed] of cases) {
    t.equal(ask({ ...given, isCgroupV2: false }).isAllowed, isAllowed, what);
    if (what !== 'host') t.strictSame(ask({ ...given, isCgroupV2: true }).violations, [], `${what}, with cgroup v2`);
  }
  t.end();
});

t.test('a request that two readers could read differently is refused', (t) => {
  const ok = { Image: 'a' };
  const refused: readonly (readonly [what: string, given: Given])[] = [
    ['keys twice', { body: '{"Image":"a","HostConfig":{},"HostConfig":{}}' }],
    ['keys twice in another case', { body: '{"Image":"a","HostConfig":{},"hostconfig":{}}' }],
    ['keys twice with a long s', { body: '{"Image":"a","HostConfig":{},"Ho\u017FtConfig":{}}' }],
    ['keys twice with a Kelvin sign', { body: '{"Image":"a","NetworkMode":"","Networ\u212AMode":""}' }],
    ['case', { body: { Image: 'a', HOSTCONFIG: { pRIVILEGED: true } } }],
    ['escapes in keys', { body: String.raw`{"Image":"a","HostConfig":{"\u0050rivileged":true}}` }],
    ['another type', { body: { Image: 'a', HostConfig: [] } }],
    ['a text in place of a list', { body: { Image: 'a', HostConfig: { Binds: '/:/x' } } }],
    ['no JSON', { body: '{"Image":"a"}x' }],
    ['a list', { body: [ok] }],
    ['null', { body: 'null' }],
    ['invalid UTF-8 is tested with dockerd; nested too deep', { body: `{"Image":"a","x":${'['.repeat(64)}` }],
    ['more than 1 MiB', { body: { ...ok, Labels: { x: 'x'.repeat(1024 * 1024) } } }],
    ['no body', {}],
    ['a hidden body', { headers: { 'Content-Length': '10', 'Content-Type': 'application/json' } }],
    ['a hidden chunked body', { headers: { 'Content-Type': 'application/json' } }],
    ['absolute form', { body: ok, target: `http://docker${CREATE}` }],
    ['absolute form without authority', { body: ok, target: `http:${CREATE}` }],
    ['two slashes', { body: ok, target: '//containers/create' }],
    ['dots', { body: ok, target: '/v1.45/x/../containers/create' }],
    ['encoded dots', { body: ok, target: '/v1.45/x/%2e%2e/containers/create' }],
    ['encoded twice', { body: ok, target: '/v1.45/containers/%2563reate' }],
    ['a broken escape', { body: ok, target: '/v1.45/containers/create%' }],
    ['a slash at the end', { body: ok, target: `${CREATE}/` }],
    ['a method in lower case', { body: ok, method: 'post' }],
    ['a version that is none', { body: ok, target: '/v1.45x/containers/create' }],
  ];
  for (const [what, given] of refused) t.notOk(ask(given).isAllowed, what);
  for (const target of [CREATE, '/containers/create', '/v1.45/containers%2fcreate', '/containers/%63reate?name=x'])
    t.strictSame(ask({ target, body: ok }).violations, [], target);
  t.end();
});

t.test('pulls: the query decides, and nothing may replace it', (t) => {
  const pull = '/images/create?fromImage=alpine&tag=3';
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  t.ok(ask({ target: pull }).isAllowed);
  t.ok(
    ask({ target: pull, headers: { 'Content-Length': '0', 'Content-Type': 'text/plain' } }).isAllowed,
    'old clients',
  );
  t.ok(ask({ target: pull, headers: {} }).isAllowed, 'without a type Go reads no form');
  t.notOk(ask({ target: pull, headers: { ...form, 'Content-Length': '20' } }).isAllowed);
  t.notOk(ask({ target: pull, headers: form }).isAllowed, 'chunked');
  t.notOk(ask({ target: `${pull}&fromImage=evil` }).isAllowed);
  t.notOk(ask({ target: '/images/create?fromSrc=-&repo=x' }).isAllowed, 'an import');
  t.ok(ask({ target: '/images/create?fromSrc=-&repo=x', spec: { operations: ['import'] }, headers: form }).isAllowed);
  t.end();
});

t.test('images are judged by digest; a tag proves nothing', (t) => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const asked: string[] = [];
  const decision = (outcome: Decision['outcome']): Decision => ({
    outcome,
    policies: ['p'],
    reasons: [],
    warnings: [],
    observed: [],
    suppressed: [],
  });
  const judgeImage = (reference: string): Decision => {
    asked.push(reference);
    return decision(reference.includes('bad') ? 'deny' : reference.includes('new') ? 'couldNotTell' : 'allow');
  };
  const reasons: readonly (readonly [body: object, isAllowed: boolean, spec?: object])[] = [
    [{ Image: `good@${digest}` }, true],
    [{ Image: 'good:1' }, false],
    [{ Image: 'good:1' }, true, { images: { withoutDigest: 'allow' } }],
    [{ Image: 'good:1' }, true, { images: { judge: false } }],
    [{ Image: digest }, false],
  ];
  for (const [body, isAllowed, spec = {}] of reasons)
    t.equal(ask({ body, spec, judgeImage }).isAllowed, isAllowed, JSON.stringify([body, spec]));
  asked.length = 0;
  ask({ body: { Image: 'x', HostConfig: { Mounts: [{ Type: 'image', Source: 'y', Target: '/y' }] } }, judgeImage });
  ask({ target: '/images/create?fromImage=h:5/a&tag=1', judgeImage });
  ask({ target: `/images/create?fromImage=h:5/a:2&tag=${digest}`, judgeImage });
  ask({ target: '/images/create?fromImage=h:5/a:2&tag=3', judgeImage });
  t.strictSame(asked, ['x', 'y', 'h:5/a:1', `h:5/a@${digest}`, 'h:5/a:3']);
  t.end();
});

t.test('a denied image says why; an unknown one may be pulled, but not run', (t) => {
  const reason: Reason = {
    code: 'scan-missing',
    kind: 'violation',
    severity: 'high',
    about: '',
    actual: 'never scanned',
    expected: 'a scan',
    action: 'Scan it.',
    policy: 'p',
    rule: 'spec.rules[0]',
  };
  const judging = (outcome: Decision['outcome']) => (): Decision => ({
    outcome,
    policies: ['p'],
    reasons: [reason],
    warnings: [],
    observed: [],
    suppressed: [],
  });
  const body = { Image: `a@sha256:${'a'.repeat(64)}` };
  t.match(ask({ body, judgeImage: judging('deny') }).violations, [{ field: 'Image', action: 'Scan it.' }]);
  t.notOk(ask({ body, judgeImage: judging('couldNotTell') }).isAllowed);
  t.ok(ask({ target: '/images/create?fromImage=a', judgeImage: judging('couldNotTell') }).isAllowed);
  t.notOk(ask({ target: '/images/create?fromImage=a', judgeImage: judging('deny') }).isAllowed);
  t.end();
});

t.test('operations are refused unless the policy names them; reads are allowed', (t) => {
  const cases: readonly (readonly [call: string, operation: string])[] = [
    ['POST /build', 'build'],
    ['POST /session', 'build'],
    ['POST /grpc', 'build'],
    ['POST /images/load', 'import'],
    ['POST /plugins/pull', 'plugins'],
    ['DELETE /plugins/x/y:z', 'plugins'],
    ['POST /swarm/init', 'swarm'],
    ['GET /swarm/unlockkey', 'swarm'],
    ['POST /nodes/x/update', 'swarm'],
    ['POST /secrets/create', 'secrets'],
    ['DELETE /configs/x', 'secrets'],
    ['DELETE /services/x', 'services'],
    ['POST /containers/x/checkpoints', 'checkpoint'],
    ['POST /containers/x/start?checkpoint=a&checkpoint-dir=/etc', 'checkpoint'],
    ['PUT /containers/x/archive', 'copy'],
    ['GET /containers/x/attach/ws', 'attach'],
    ['POST /commit', 'commit'],
    ['POST /exec/x/start', 'exec'],
  ];
  for (const [call, operation] of cases) {
    const [method = '', target = ''] = call.split(' ');
    t.notOk(ask({ method, target, spec: { operations: [] } }).isAllowed, `${call} is refused`);
    t.strictSame(ask({ method, target, spec: { operations: [operation] } }).violations, [], `${call} is allowed`);
  }
  for (const target of ['/_ping', '/info', '/containers/json', '/images/a/b/c:d/json', '/networks/x', '/events'])
    t.match(ask({ method: 'GET', target, spec: { operations: [] } }), { isAllowed: true, isRead: true }, target);
  for (const call of ['GET /debug/pprof', 'OPTIONS /x', 'POST /containers/x/new', 'PATCH /info', 'POST /x'])
    t.notOk(ask({ method: call.split(' ')[0] ?? '', target: call.split(' ')[1] ?? '' }).isAllowed, call);
  t.end();
});

t.test('sysctls of an interface are judged as those of the container', (t) => {
  // https://docs.docker.com/engine/network/#sysctl-settings-for-network-interfaces
  const endpoint = (sysctls: unknown): object => ({ DriverOpts: { 'com.docker.network.endpoint.sysctls': sysctls } });
  const connect = (sysctls: unknown, spec: object = {}): Authorization =>
    ask({ target: '/networks/shop/connect', spec, body: { Container: 'c', endpointconfig: endpoint(sysctls) } });
  const forwarding = 'net.ipv4.conf.IFNAME.forwarding=1';
  t.notOk(connect(forwarding).isAllowed);
  t.notOk(connect([forwarding]).isAllowed, 'another type');
  t.ok(connect(forwarding, { sysctls: ['net.ipv4.conf.*'] }).isAllowed);
  t.notOk(connect(`${forwarding},net.ipv6.conf.IFNAME.disable_ipv6=0`, { sysctls: ['net.ipv4.conf.*'] }).isAllowed);
  t.ok(ask({ target: '/networks/shop/connect', body: { Container: 'c' } }).isAllowed);
  t.ok(
    ask({ target: '/networks/shop/connect', body: { Container: 'c', EndpointConfig: { Aliases: ['db'] } } }).isAllowed,
  );
  const EndpointsConfig = { bridge: endpoint(forwarding) };
  t.notOk(ask({ body: { Image: 'a', NetworkingConfig: { EndpointsConfig } } }).isAllowed);
  t.ok(ask({ body: { Image: 'a', NetworkingConfig: { EndpointsConfig: { bridge: {} } } } }).isAllowed);
  const TaskTemplate = { ContainerSpec: { Image: 'a' }, Networks: [{ Target: 'shop', ...endpoint(forwarding) }] };
  const services = { target: '/services/create', spec: { operations: ['services'] } };
  t.notOk(ask({ ...services, body: { TaskTemplate } }).isAllowed);
  t.end();
});

t.test('a service is judged by what its containers get', (t) => {
  const service = (container: object, rest: object = {}): Authorization =>
    ask({
      target: '/services/create',
      spec: { operations: ['services'] },
      body: { TaskTemplate: { ContainerSpec: { Image: 'a', ...container }, ...rest } },
    });
  t.strictSame(service({ Mounts: [{ Type: 'volume', Source: 'v', Target: '/x' }] }).violations, []);
  t.notOk(service({ Mounts: [{ Type: 'bind', Source: '/', Target: '/x' }] }).isAllowed);
  t.notOk(service({ CapabilityAdd: ['CAP_SYS_ADMIN'] }).isAllowed);
  t.notOk(service({ Sysctls: { 'kernel.shmmax': '1' } }).isAllowed);
  t.notOk(service({ OomScoreAdj: -500 }).isAllowed);
  t.notOk(service({ Ulimits: [{ Name: 'rtprio', Soft: 99, Hard: 99 }] }).isAllowed);
  t.notOk(service({}, { LogDriver: { Name: 'fluentd' } }).isAllowed);
  t.notOk(service({}, { LogDriver: { Options: { 'syslog-address': 'udp://192.0.2.1:1' } } }).isAllowed);
  t.ok(service({}, { LogDriver: { Name: 'local', Options: { 'max-size': '1m' } } }).isAllowed);
  t.notOk(service({ Privileges: { Seccomp: { Mode: 'unconfined' } } }).isAllowed);
  // dockerd takes the beginning of the id of the host's network for that network, too.
  for (const Target of ['host', '315d3d5fc7db0123', '315'])
    t.notOk(service({}, { Networks: [{ Target }] }).isAllowed, Target);
  for (const Target of ['shop', 'yx70c5p9ucfuznp4q0p3yq1k8'])
    t.ok(service({}, { Networks: [{ Target }] }).isAllowed, Target);
  t.notOk(service({}, { PluginSpec: { Remote: 'x' } }).isAllowed);
  t.end();
});

t.test('the most specific policy for a client decides; without one nothing is allowed', (t) => {
  const all = { ...policyOf({}), name: 'all' };
  const ci = { ...policyOf({ match: { clients: ['ci-*'] }, allowPrivileged: true }), name: 'ci' };
  const one = { ...policyOf({ match: { clients: ['ci-1'] } }), name: 'one' };
  const decide = (client: string | undefined, policies: readonly ContainerPolicy[]): Authorization =>
    authorize(
      { client, method: 'GET', target: '/info', headers: {}, body: undefined },
      { policies, judgeImage: undefined, isCgroupV2: true },
    );
  t.match(decide('ci-2', [all, ci, one]), { policy: 'ci' });
  t.match(decide('ci-1', [one, ci, all]), { policy: 'one' });
  t.match(decide('x', [all, ci, one]), { policy: 'all' });
  t.match(decide(undefined, [all, ci, one]), { policy: 'all' });
  t.match(decide(undefined, [ci]), { isAllowed: false, policy: '' });
  t.match(decide('', [{ ...ci, match: { clients: ['?*'] } }]), { isAllowed: false });
  t.end();
});

t.test('no request takes long to judge', (t) => {
  const many = (count: number, item: string): string => `[${Array.from({ length: count }, () => item).join(',')}]`;
  const spec = { hostPaths: Array.from({ length: 256 }, (_, i) => ({ path: `/srv/${String(i)}/**` })) };
  const long = '/'.repeat(1_000_000);
  const bodies: readonly string[] = [
    `{"Image":"a","HostConfig":{"Binds":["${long}x:/x"]}}`,
    `{"Image":"a","HostConfig":{"Binds":${many(4000, `"/srv/${'x'.repeat(240)}:/x"`)}}}`,
    `{"Image":"a","HostConfig":{"CapAdd":${many(4000, `"${'*'.repeat(240)}"`)}}}`,
    `{"Image":"a","HostConfig":{"Mounts":${many(4000, '{"Type":"bind","Source":"/a"}')}}}`,
    `{"Image":"a","HostConfig":{"SecurityOpt":["${'a'.repeat(1_000_000)}"]}}`,
    `{"Image":"${'a/'.repeat(500_000)}"}`,
    `{"Image":"a","Labels":{${Array.from({ length: 60_000 }, (_, i) => `"k${String(i)}":"v"`).join(',')}}}`,
    `{"Image":"a","x":${many(300_000, '""')}}`,
    `{"Image":"a","x":"${'\\\\u0000'.repeat(100_000)}"}`,
  ];
  for (const body of bodies) {
    const startedMs = cpuMs();
    t.notOk(ask({ body, spec }).isAllowed && !body.includes('a/'), body.slice(0, 60));
    const tookMs = cpuMs() - startedMs;
    t.ok(tookMs < 1500, `${body.slice(0, 60)}: ${String(tookMs)} ms`);
  }
  for (const target of [
    `/containers${'/checkpoints'.repeat(300)}`,
    `/${'%2e'.repeat(20_000)}`,
    `/x?${'a=b&'.repeat(15_000)}`,
  ]) {
    const startedMs = cpuMs();
    t.notOk(ask({ target }).isAllowed);
    t.ok(cpuMs() - startedMs < 1000, target.slice(0, 40));
  }
  t.end();
});

t.test('never throws, and allows nothing privileged, whatever is sent', (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('/containers/create', '/v1.45/containers/create', '%', '..', '//'),
  );
  const property = fc.property(
    fc.string(),
    fc.array(text, { maxLength: 4 }),
    fc.dictionary(fc.string(), fc.string()),
    fc.option(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => new TextEncoder().encode(json)),
      ),
    ),
    (method, parts, headers, body) => {
      const request = { client: undefined, method, target: parts.join(''), headers, body: body ?? undefined };
      const { isAllowed, violations } = authorize(request, {
        policies: [builtInPolicy()],
        judgeImage: undefined,
        isCgroupV2: true,
      });
      return isAllowed === (violations.length === 0);
    },
  );
  fc.assert(property, { numRuns: 2000, seed: 1 });
  const anywhere = fc.property(
    fc.json({ maxDepth: 3 }),
    fc.constantFrom('Privileged', 'privileged', 'PRIVILEGED'),
    fc.constantFrom('HostConfig', 'hostConfig', ''),
    (json, key, parent) => {
      const setting = { [key]: true };
      const body = { Image: 'a', Labels: { x: json }, ...(parent === '' ? setting : { [parent]: setting }) };
      return !ask({ body }).isAllowed;
    },
  );
  fc.assert(anywhere, { numRuns: 500, seed: 1 });
  t.end();
});
