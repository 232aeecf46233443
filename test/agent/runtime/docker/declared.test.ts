import * as fc from 'fast-check';
import t from 'tap';
import { DECLARED_SOURCES, parseSecurityOptions, toDeclared } from '../../../../agent/runtime/docker/declared.ts';
import { inspectSchema } from '../../../../agent/runtime/docker/container-schema.ts';
import { declaredSchema } from '../../../../posture/fact/container.ts';
import type { Declared } from '../../../../posture/fact/container.ts';
import { recordedInspect, SEED } from '../../../fixture/inspector/read.ts';

function declared(answer: unknown): Declared {
  const parsed = inspectSchema.parse(answer);
  if (!parsed.ok) throw new Error(parsed.problem);
  return toDeclared(parsed.value);
}

t.test('what was asked for in recorded containers, against the options they were started with', (t) => {
  t.match(declared(recordedInspect('default')), {
    privileged: false,
    seccompProfile: 'default',
    noNewPrivileges: null,
    pidsLimit: 0,
    restartPolicy: 'no',
    health: 'none',
    networks: ['none'],
    logDriver: 'json-file',
  });
  t.match(declared(recordedInspect('privileged')), {
    privileged: true,
    seccompProfile: 'unconfined',
    selinuxDisabled: true,
    maskedPaths: [],
  });
  t.match(declared(recordedInspect('seccomp-unconfined')), { privileged: false, seccompProfile: 'unconfined' });
  t.match(declared(recordedInspect('host-namespaces')), {
    networkMode: 'host',
    pidMode: 'host',
    ipcMode: 'host',
    utsMode: 'host',
    usernsMode: 'host',
  });
  t.match(declared(recordedInspect('capabilities')), {
    capAdd: ['NET_ADMIN'],
    capDrop: ['CHOWN'],
    noNewPrivileges: true,
  });
  t.match(declared(recordedInspect('limits')), {
    memoryBytes: 64 * 1024 * 1024,
    pidsLimit: 50,
    nanoCpus: 500_000_000,
    restartPolicy: 'on-failure',
    restartMaximum: 3,
  });
  t.match(declared(recordedInspect('read-only')), {
    readOnlyRoot: true,
    user: '1000:1000',
    mounts: [{ type: 'bind', source: '/srv/a b', destination: '/mnt/with space', writable: false }],
  });
  t.end();
});

t.test('every source of a value is a field of `docker inspect`, or may be left out there', (t) => {
  const answer = recordedInspect('limits');
  // Engines leave these out where they are empty.
  const optional = new Set(['State.Health.Status']);
  for (const [field, source] of Object.entries(DECLARED_SOURCES)) {
    for (const path of source.replace(/^inspect /, '').split(', ')) {
      let value: unknown = answer;
      for (const name of path.split('.'))
        value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
      t.ok(value !== undefined || optional.has(path), `${field}: ${path}`);
    }
  }
  t.end();
});

t.test('every form of a security option', (t) => {
  const of = parseSecurityOptions;
  t.same(of([]), { seccompProfile: undefined, seccompSummary: null, noNewPrivileges: null, selinuxDisabled: false });
  for (const option of ['seccomp=unconfined', 'seccomp:unconfined'])
    t.equal(of([option]).seccompProfile, 'unconfined', option);
  t.equal(of(['seccomp=builtin']).seccompProfile, 'default');
  t.equal(of(['seccomp={"defaultAction":"SCMP_ACT_ERRNO"}']).seccompProfile, 'custom');
  t.equal(of(['seccomp=/etc/docker/profile.json']).seccompProfile, 'custom');
  for (const option of ['no-new-privileges', 'no-new-privileges=true', 'no-new-privileges:true'])
    t.equal(of([option]).noNewPrivileges, true, option);
  for (const option of ['no-new-privileges=false', 'no-new-privileges:false'])
    t.equal(of([option]).noNewPrivileges, false, option);
  for (const option of ['label=disable', 'label:disable']) t.equal(of([option]).selinuxDisabled, true, option);
  t.equal(of(['label=type:container_t', 'apparmor=unconfined']).selinuxDisabled, false);
  t.end();
});

t.test('ports, health and labels', (t) => {
  const base = recordedInspect('default');
  const answer = {
    ...base,
    State: { ...(base['State'] as object), Health: { Status: 'unhealthy', Log: [] } },
    Config: { ...(base['Config'] as object), Labels: { 'io.kubernetes.pod.name': 'secret' }, Env: ['TOKEN=secret'] },
    NetworkSettings: {
      Ports: {
        '8080/tcp': [
          { HostIp: '0.0.0.0', HostPort: '8080' },
          { HostIp: '::', HostPort: '80' },
        ],
        '9000/udp': null,
      },
      Networks: { bridge: {}, shop: {} },
    },
    HostConfig: { ...(base['HostConfig'] as object), CapAdd: ['cap_sys_admin', 'CAP_BPF'], PidsLimit: null },
  };
  const result = declared(answer);
  t.match(result, {
    health: 'unhealthy',
    networks: ['bridge', 'shop'],
    capAdd: ['SYS_ADMIN', 'BPF'],
    pidsLimit: 0,
    ports: [
      { containerPort: '8080/tcp', hostIp: '::', hostPort: 80 },
      { containerPort: '8080/tcp', hostIp: '0.0.0.0', hostPort: 8080 },
    ],
  });
  t.notMatch(JSON.stringify(result), /secret/, 'neither environment nor values of labels are kept');
  t.end();
});

t.test('an answer that does not fit is refused with the place', (t) => {
  const parsed = inspectSchema.parse({ ...recordedInspect('default'), State: { Running: true, Pid: 'x' } });
  t.match(parsed, { ok: false, problem: /State\.Pid/ });
  t.end();
});

t.test('whatever the runtime answers, the fact fits its schema', (t) => {
  const base = recordedInspect('default');
  const text = fc.string({ unit: 'binary', maxLength: 5000 });
  fc.assert(
    fc.property(
      fc.record({
        SecurityOpt: fc.array(text, { maxLength: 5 }),
        CapAdd: fc.array(text, { maxLength: 300 }),
        CpusetCpus: text,
        NetworkMode: text,
        MaskedPaths: fc.option(fc.array(text, { maxLength: 5 })),
        RestartPolicy: fc.option(fc.record({ Name: text, MaximumRetryCount: fc.integer() })),
        Devices: fc.option(fc.array(fc.record({ PathOnHost: text }), { maxLength: 3 })),
      }),
      (host) => {
        const answer = { ...base, HostConfig: { ...(base['HostConfig'] as object), ...host } };
        const fact = declaredSchema.parse(declared(answer));
        return fact.ok;
      },
    ),
    { ...SEED, numRuns: 100 },
  );
  t.end();
});
