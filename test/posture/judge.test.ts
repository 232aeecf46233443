import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { ContainerCheck } from '../../posture/check/check.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { diff } from '../../posture/delta.ts';
import type { FindingSet } from '../../posture/delta.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { DockerFact } from '../../posture/fact/docker.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import { findingContent } from '../../posture/finding.ts';
import { changeBetween } from '../../agent/watch/structural-sharing.ts';
import type { FileFact } from '../../posture/fact/file.ts';
import type { ListenerFact } from '../../posture/fact/listener.ts';
import type { Unobserved, UnobservedFact } from '../../posture/fact/unobserved.ts';
import { judgeAll, judgeChange } from '../../posture/judge.ts';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import { unknownBecause } from '../../posture/verdict.ts';
import { containerFact } from '../fixture/container.ts';
import { dockerFact, factsOf, imageFact } from '../fixture/facts.ts';
import { applyDelta } from './apply-delta.ts';

/** A container in one of a few states; the same name always has the same id. */
const container = fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd'), uid: fc.constantFrom(0, 1000), pid: fc.nat(3) });
const containers = fc
  .uniqueArray(container, { selector: ({ id }) => id, maxLength: 4 })
  .map((list) =>
    list.map(({ id, uid, pid }): ContainerFact =>
      containerFact({ id: id.repeat(64), name: id, pid, uid: seen(uid, 'x') }),
    ),
  );

/** Facts with several subjects of each kind, some of which could not be inspected. */
const subjects = fc.record({
  containers,
  unobserved: fc.subarray(['e', 'f']),
  images: fc.subarray(['1', '2', '3']),
  files: fc.subarray(['/etc/docker/daemon.json', '/srv/tls/key.pem', '/srv/tls/ca.pem', '/etc/ssh/ssh_host_rsa_key']),
  ports: fc.subarray([2375, 2376]),
});
type Subjects = typeof subjects extends fc.Arbitrary<infer S> ? S : never;

function factsWith({ containers, unobserved, images, files, ports }: Subjects): Facts {
  return factsOf({
    containers: seen(containers, 'list'),
    unobserved: seen(unobserved.map(unobservedContainer), 'engine'),
    images: seen(
      images.map((name) => imageFact({ id: `sha256:${name.repeat(64)}`, name })),
      'images',
    ),
    files: files.map((path) => weakFile(path)),
    listeners: seen(ports.map(openPort), 'sockets'),
  });
}

function unobservedContainer(name: string): Unobserved {
  const rest = { imageId: '', pid: 0, engine: 'unix:///run/docker.sock', sinceMs: 0, reason: 'no answer' };
  return { kind: 'container', id: name.repeat(64), name, ...rest };
}

function withUnobserved(fact: UnobservedFact, names: readonly string[]): UnobservedFact {
  return fact.state === 'seen' ? seen([...fact.value, ...names.map(unobservedContainer)], fact.source) : fact;
}

function weakFile(path: string): FileFact {
  const roles: Readonly<Record<string, FileFact['role']>> = {
    '/etc/docker/daemon.json': 'daemonJson',
    '/srv/tls/key.pem': 'dockerServerKey',
    '/srv/tls/ca.pem': 'dockerCaCertificate',
  };
  const stat = { realPath: path, kind: 'file', uid: 7, gid: 7, mode: 0o666, owner: '7', group: '7' } as const;
  return { role: roles[path] ?? 'sshHostKey', path, stat: seen(stat, path), expectedGroup: '', expectedMode: null };
}

function openPort(port: number): ListenerFact {
  const id = `tcp:0.0.0.0:${String(port)}`;
  const probe = unreadable(id, 'refused');
  return { service: 'docker', id, address: '0.0.0.0', port, loopback: false, pid: 812, probe };
}

/** Ways in which a fact cannot be read any more, each with what the inspectors leave out then. */
const FAULTS: Readonly<Record<string, (facts: Facts) => Partial<Facts>>> = {
  'the list of containers': () => ({ containers: unreadable('list', 'no answer') }),
  'each container': ({ containers: known, unobserved }) =>
    known.state === 'seen'
      ? {
          containers: seen([], 'list'),
          unobserved: withUnobserved(
            unobserved,
            known.value.map(({ name }) => name),
          ),
        }
      : {},
  images: () => ({ images: unreadable('images', 'no answer') }),
  'images of unknown containers': ({ unobserved }) => ({
    images: absent('images'),
    unobserved: withUnobserved(unobserved, ['x']),
  }),
  unobserved: () => ({ unobserved: unreadable('/proc', 'denied') }),
  listeners: () => ({ listeners: unreadable('sockets', 'denied') }),
  dockerd: ({ docker, files }) => ({
    docker: { ...docker, process: unreadable('/proc', 'denied') },
    files: files.filter(({ role }) => !role.startsWith('dockerServer') && !role.startsWith('dockerCa')),
  }),
  'daemon.json': ({ docker, files }) => ({
    docker: { ...docker, file: unreadable('/etc/docker/daemon.json', 'not JSON') },
    files: files.filter(({ role }) => role === 'daemonJson' || role === 'sshHostKey'),
  }),
  sshd: ({ sshd, files }) => ({
    sshd: { ...sshd, present: seen('running', 'x'), contexts: unreadable('/etc/ssh/sshd_config', 'denied') },
    files: files.filter(({ role }) => role !== 'sshHostKey'),
  }),
};

void t.test('what cannot be read any more resolves no finding', (t) => {
  fc.assert(
    fc.property(subjects, fc.subarray(Object.keys(FAULTS), { minLength: 1 }), (known, faults) => {
      const before = factsWith(known);
      const after: Facts = { ...before };
      for (const fault of faults) Object.assign(after, FAULTS[fault]?.(after));
      const old = judgeAll(CHECKS, before);
      const change = changeBetween(before, after);
      const next = applyDelta(old, judgeChange(CHECKS, after, old, change));
      assert.deepEqual(contentOf(next), contentOf(judgeAll(CHECKS, after, old)), 'the change says what the whole says');
      for (const { id, verdict, subject } of old.values())
        if (verdict !== 'pass' && verdict !== 'notApplicable' && subject.kind !== 'node')
          assert.ok(next.has(id), `${id} after ${faults.join(', ')}`);
      // What is read again ends what was kept.
      const back = applyDelta(next, judgeChange(CHECKS, before, next, changeBetween(after, before)));
      assert.deepEqual(contentOf(back), contentOf(old), `all is as it was after ${faults.join(', ')}`);
    }),
    { numRuns: 60 },
  );
  t.end();
});

/** What is said, in an order that does not depend on who said it when. */
function contentOf(findings: FindingSet): readonly string[] {
  return [...findings.values()].map(findingContent).toSorted((one, other) => (one < other ? -1 : 1));
}

/** All ids of which the container is another object, or there is none any more. */
function changedIds(before: readonly ContainerFact[], after: readonly ContainerFact[]): Set<string> {
  return new Set(
    [...before, ...after].filter((each) => !(before.includes(each) && after.includes(each))).map(({ id }) => id),
  );
}

void t.test('judging what changed gives what judging everything gives', (t) => {
  const base = factsOf({});
  fc.assert(
    fc.property(containers, containers, (one, other) => {
      const before: Facts = { ...base, containers: seen(one, 'x') };
      const after: Facts = { ...base, containers: seen(other, 'x') };
      const old = judgeAll(CHECKS, before);
      const delta = judgeChange(CHECKS, after, old, {
        facts: new Set(),
        containers: changedIds(one, other),
        engineSettings: new Set(),
      });
      const whole = diff(old, judgeAll(CHECKS, after));
      const ids = ({ added, changed, gone }: typeof whole): string[][] => [
        added.map(({ id }) => id).sort(),
        changed.map(({ id }) => id).sort(),
        gone.toSorted(),
      ];
      t.same(ids(delta), ids(whole));
      t.same(contentOf(applyDelta(old, delta)), contentOf(judgeAll(CHECKS, after)));
    }),
    { numRuns: 25 },
  );
  t.end();
});

void t.test('facts that change as a whole', (t) => {
  const base = factsOf({ containers: seen([containerFact({})], 'x') });
  const changes: Partial<Facts>[] = [
    { containers: unreadable('x', 'the engine does not answer') },
    { containers: absent('x') },
    { containers: seen([], 'x') },
    { images: absent('x') },
    { files: [] },
    { node: { ...base.node, name: 'another' } },
    { clock: { ...base.clock } },
  ];
  const old = judgeAll(CHECKS, base);
  for (const change of changes) {
    const after = { ...base, ...change };
    const facts = new Set(Object.keys(change) as FactName[]);
    const delta = judgeChange(CHECKS, after, old, { facts, containers: new Set(), engineSettings: new Set() });
    t.same(contentOf(applyDelta(old, delta)), contentOf(judgeAll(CHECKS, after, old)), [...facts].join());
  }
  const same = judgeChange(CHECKS, base, old, {
    facts: new Set(['docker']),
    containers: new Set(),
    engineSettings: new Set(['api', 'endpoint', 'file', 'process']),
  });
  t.same(same, { added: [], changed: [], gone: [] }, 'what says the same is no change');
  t.end();
});

void t.test('each field of an engine that changes: what changed says what the whole says', (t) => {
  const other = dockerFact({ endpoint: 'unix:///run/other.sock' });
  const silent = unreadable('/proc/7/status', 'denied');
  const all = '000001ffffffffff';
  const everything = seen({ effective: all, permitted: all, inheritable: all, bounding: all, ambient: all }, 'x');
  const own = seen({ inode: 1, host: false }, '/proc/7/ns/user');
  const containers = [
    {},
    { engine: other.endpoint },
    { engine: 'unix:///run/third.sock', controlSockets: silent, noNewPrivs: seen(true, 'x') },
    { engine: 'unix:///run/gone.sock', controlSockets: silent, noNewPrivs: seen(true, 'x') },
    { pid: 0 },
    // Each is judged by a setting of its engine where the container or the kernel says nothing.
    { uids: silent, noNewPrivs: seen(true, 'x'), controlSockets: silent, declared: { user: '' } },
    { namespaces: { user: own }, capabilities: everything, declared: { privileged: true, usernsMode: '' } },
    { namespaces: { user: own }, capabilities: silent, declared: { usernsMode: '', seccompProfile: 'default' } },
    {
      limits: seen({ openFiles: 512, processes: 512 }, '/proc/7/limits'),
      declared: { ulimits: [{ name: 'nofile', soft: 512, hard: 512 }] },
    },
    {
      controlSockets: silent,
      declared: {
        mounts: [{ type: 'bind', source: '/srv/engine', destination: '/x', writable: true, propagation: '' }],
      },
    },
  ].map((fields, index) => containerFact({ id: String(index).repeat(64), ...fields }));
  const base = factsOf({ containers: seen(containers, 'x'), engines: [other] });
  const [{ engineSettings: _, ...texts }] = CHECKS.filter((check) => check.judges === 'container') as [ContainerCheck];
  // As a custom check: it reads every field.
  const custom: ContainerCheck = {
    ...texts,
    id: 'acme.images',
    needs: ['docker'],
    judge: (_container, { docker }) => unknownBecause(JSON.stringify(docker)),
  };
  const checks = [...CHECKS, custom];
  const old = judgeAll(checks, base);
  const fields = Object.keys(base.docker) as (keyof DockerFact)[];
  const { api, process } = base.docker;
  if (api.state !== 'seen' || process.state !== 'seen') throw new Error('not seen');
  const file = (keys: Record<string, unknown>): Partial<DockerFact> => ({
    file: seen({ path: '/etc/docker/daemon.json', modifiedAtMs: 0, keys }, '/etc/docker/daemon.json'),
  });
  const option = (name: string, options = {}): Partial<DockerFact> => {
    const securityOptions = [...api.value.securityOptions.filter((each) => each.name !== name), { name, options }];
    return { api: { ...api, value: { ...api.value, securityOptions } } };
  };
  const alterations: [title: string, Partial<DockerFact>][] = [
    ['userns-remap', option('userns')],
    ['seccomp-profile', option('seccomp', { profile: 'unconfined' })],
    ['no-new-privileges', option('no-new-privileges')],
    ['data-root', { api: { ...api, value: { ...api.value, dataRoot: '/srv/engine' } } }],
    ['debug', { api: { ...api, value: { ...api.value, debug: !api.value.debug } } }],
    ['keys', file({ 'no-new-privileges': true })],
    ['limits', file({ 'default-ulimits': { nofile: { Name: 'nofile', Hard: 64, Soft: 64 } } })],
    ['flags', { process: { ...process, value: { ...process.value, flags: { 'default-ulimit': ['nofile=64:64'] } } } }],
  ];
  alterations.push(['endpoint', { endpoint: 'unix:///srv/engine/own.sock' }]);
  for (const field of fields.filter((name) => name !== 'runtime' && name !== 'endpoint')) {
    const altered = field === 'storage' ? [] : unreadable('x', 'denied');
    alterations.push([field, { [field]: altered }]);
  }
  const touched = new Set<string>();
  const third = dockerFact({ endpoint: 'unix:///run/third.sock', api: unreadable('x', 'denied') });
  for (const [title, fields] of alterations)
    for (const after of [
      { ...base, docker: { ...base.docker, ...fields } },
      { ...base, engines: [{ ...other, ...fields }] },
      { ...base, docker: { ...base.docker, ...fields }, engines: [] },
      { ...base, docker: { ...other, ...fields }, engines: [base.docker] },
      { ...base, docker: { ...third, ...fields } },
      { ...base, engines: [{ ...third, ...fields }, other] },
    ]) {
      const delta = judgeChange(checks, after, old, changeBetween(base, after));
      t.same(contentOf(applyDelta(old, delta)), contentOf(judgeAll(checks, after, old)), title);
      for (const { check } of delta.changed) touched.add(check);
    }
  const reading = CHECKS.filter((check) => check.judges === 'container' && (check.engineSettings ?? []).length > 0);
  t.same(
    reading.map(({ id }) => id).filter((id) => !touched.has(id)),
    [],
    'a check of containers that reads settings is decided by one of them here',
  );
  const pulled = { ...base, docker: { ...base.docker, images: unreadable('x', 'denied') } };
  t.same(changeBetween(base, pulled).engineSettings, new Set(), 'an image is no setting');
  const debugged = { ...base, docker: { ...base.docker, ...new Map(alterations).get('debug') } };
  t.same(changeBetween(base, debugged).engineSettings, new Set(), 'nor is what the engine does for itself');
  t.end();
});

void t.test('a title claims what the verdict says, and every answer but a pass has a reason', (t) => {
  const container = containerFact({ declared: { privileged: true }, seccomp: unreadable('/proc/7/status', 'denied') });
  const all = judgeAll(CHECKS, factsOf({ containers: seen([container], 'x') }));
  for (const { id, title, verdict, reason, check } of all.values()) {
    const known = CHECKS.find((each) => each.id === check);
    const isClaim = title === (verdict === 'fail' ? known?.failTitle : known?.title);
    t.equal(isClaim, verdict === 'fail' || verdict === 'pass', `${id} ${verdict}: ${title}`);
    t.equal(reason === undefined, verdict === 'pass', `${id} ${verdict}: reason`);
  }
  t.equal(all.get(`container.privileged/container/${container.id}`)?.title, 'Container runs privileged');
  t.end();
});

void t.test('checks of the daemon, for engines of other runtimes', (t) => {
  const daemonChecks = CHECKS.filter(({ judges }) => judges === 'docker');
  const silent = unreadable('unix:///run/x.sock', 'no answer within 5000 ms');
  const judged = (engine: Partial<DockerFact>, before?: FindingSet): FindingSet =>
    judgeAll(daemonChecks, factsOf({ engines: [dockerFact({ endpoint: 'unix:///run/x.sock', ...engine })] }), before);
  const aboutIt = (findings: FindingSet) => [...findings.values()].filter(({ subject }) => subject.id !== 'docker');

  const podman = aboutIt(judged({ runtime: 'podman' }));
  t.equal(podman.length, daemonChecks.length);
  t.ok(podman.every(({ verdict }) => verdict === 'notApplicable'));
  t.match(podman[0], { subject: { id: 'docker:unix:///run/x.sock', name: 'podman unix:///run/x.sock' } });
  t.strictSame(aboutIt(judged({ runtime: 'containerd', api: silent })), [], 'not an engine with the Docker API');

  const docker = judged({});
  const unidentified = aboutIt(judged({ runtime: 'unknown', api: silent }, docker));
  t.equal(unidentified.length, daemonChecks.length, 'its earlier findings stay');
  t.ok(unidentified.every(({ verdict }) => verdict === 'unknown'));
  t.strictSame(aboutIt(judged({ runtime: 'unknown', api: silent })), [], 'and none are made up');
  const first = judgeAll(daemonChecks, factsOf({ docker: dockerFact({ runtime: 'podman' }) }));
  t.ok([...first.values()].every(({ verdict, subject }) => verdict === 'notApplicable' && subject.id === 'docker'));
  t.end();
});
