import t from 'tap';
import { execPrivileged } from '../../../../posture/check/container/exec-privileged.ts';
import { execRoot } from '../../../../posture/check/container/exec-root.ts';
import { publishedPortsExposed } from '../../../../posture/check/container/published-ports.ts';
import { ulimits } from '../../../../posture/check/container/ulimits.ts';
import type { ContainerFact } from '../../../../posture/fact/container.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf, otherContext } from '../../../fixture/container.ts';
import { docker, file } from '../../../fixture/docker-rows.ts';
import { imageFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const DEFAULT = '00000000a80425fb';
/** What `docker exec --privileged` gives on a kernel with 41 capabilities. */
const ALL = '000001ffffffffff';

const execs = (
  bounding: string,
  uid = 0,
  firstBounding = DEFAULT,
): Pick<ContainerFact, 'capabilities' | 'execs' | 'otherContexts'> => ({
  // What the sets of all threads hold together.
  capabilities: seen(
    { effective: bounding, permitted: bounding, inheritable: '0', bounding, ambient: '0' },
    '/proc/4133/status',
  ),
  otherContexts: uid === 1000 ? [] : [otherContext({ source: '/proc/4133', uids: [uid, uid, uid, uid] })],
  execs: seen(
    { firstBounding, sessions: [{ source: '/proc/4133', uids: [uid, uid, uid, uid], bounding, effective: bounding }] },
    '/proc/4121/status',
  ),
});
const hidden: Pick<ContainerFact, 'execs'> = { execs: unreadable('/proc/4121/status', 'permission denied (EACCES)') };

judgeContainers(t, execPrivileged, [
  { name: 'no session', verdict: 'pass' },
  { name: 'a plain session', container: execs(DEFAULT), verdict: 'pass' },
  { name: 'docker exec --privileged', container: execs(ALL), verdict: 'fail', seen: [`CapBnd: ${ALL}`] },
  {
    name: 'the first process gave its capabilities up',
    container: execs(DEFAULT, 0, '0000000000000000'),
    verdict: 'pass',
  },
  {
    name: 'capabilities of the container',
    container: { ...execs('00000000a80435fb'), declared: { capAdd: ['NET_ADMIN'] } },
    verdict: 'pass',
  },
  { name: 'the same without', container: execs('00000000a80435fb'), verdict: 'fail', reason: /NET_ADMIN/ },
  {
    name: 'a privileged container',
    container: { ...execs(ALL), declared: { privileged: true } },
    verdict: 'notApplicable',
  },
  { name: '--pid=host', container: { ...execs(ALL), declared: { pidMode: 'host' } }, verdict: 'fail' },
  { name: '--pid=host, no session', container: { ...execs(DEFAULT), declared: { pidMode: 'host' } }, verdict: 'pass' },
  {
    name: 'another container’s pid namespace',
    container: { ...execs(DEFAULT), declared: { pidMode: 'container:x' } },
    verdict: 'pass',
  },
  {
    name: 'a session that has ended and left a process behind',
    container: { ...execs(ALL), execs: seen({ firstBounding: DEFAULT, sessions: [] }, '/proc/4121/status') },
    verdict: 'fail',
  },
  {
    name: 'the first process has every capability in a user namespace of its own',
    container: {
      ...execs(ALL, 0, ALL),
      namespaces: { user: namespaceOf('user', 4026532999, false) },
      otherContexts: [otherContext({ namespaces: { user: namespaceOf('user', 4026531837, true) } })],
    },
    verdict: 'fail',
  },
  { name: 'cannot be read', container: hidden, verdict: 'unknown' },
  {
    name: 'not every process was seen',
    container: { complete: false, incompleteReason: 'processes change faster than they can be read' },
    verdict: 'unknown',
  },
]);

const user = { uids: seen([1000, 1000, 1000, 1000], '/proc/4121/status'), declared: { user: '1000' } };

judgeContainers(t, execRoot, [
  { name: 'no session', container: user, verdict: 'pass' },
  { name: 'a session of the same user', container: { ...user, ...execs(DEFAULT, 1000) }, verdict: 'pass' },
  {
    name: 'docker exec --user root',
    container: { ...user, ...execs(DEFAULT, 0) },
    verdict: 'fail',
    seen: ['Uid: 0 0 0 0'],
  },
  {
    name: 'a process that became root by a set-user-ID program',
    container: {
      ...user,
      ...execs(DEFAULT, 0),
      execs: seen({ firstBounding: DEFAULT, sessions: [] }, '/proc/4121/status'),
    },
    verdict: 'pass',
  },
  { name: 'root itself', container: execs(DEFAULT, 0), verdict: 'notApplicable' },
  {
    name: 'root of a remapped user namespace',
    container: {
      ...user,
      ...execs(DEFAULT, 100000),
      uidMap: seen([{ inside: 0, outside: 100000, count: 65536 }], '/proc/4121/uid_map'),
    },
    verdict: 'fail',
  },
  {
    name: 'another container’s pid namespace',
    container: { ...execs(DEFAULT), declared: { user: '1000', pidMode: 'container:x' } },
    verdict: 'unknown',
  },
  {
    name: 'the pid namespace of the host, where nothing is root',
    container: { ...user, ...execs(DEFAULT, 1000), declared: { user: '1000', pidMode: 'host' } },
    verdict: 'pass',
  },
  {
    name: 'cannot be read',
    container: { ...user, ...hidden, otherContexts: [otherContext({ uids: [0, 0, 0, 0] })] },
    verdict: 'unknown',
  },
]);

const published = { declared: { ports: [{ containerPort: '8080/tcp', hostIp: '', hostPort: 80 }] } };
const exposing = (...ports: readonly string[]) => ({
  images: seen([imageFact({ exposedPorts: seen(ports, 'inspect Config.ExposedPorts') })], 'GET /images/json'),
});

judgeContainers(t, publishedPortsExposed, [
  { name: 'nothing is published', verdict: 'pass' },
  { name: 'an exposed port', container: published, facts: exposing('8080/tcp', '9090/tcp'), verdict: 'pass' },
  {
    name: 'another port',
    container: published,
    facts: exposing('9090/tcp'),
    verdict: 'fail',
    reason: /8080\/tcp is published/,
  },
  { name: 'the same number of another protocol', container: published, facts: exposing('8080/udp'), verdict: 'fail' },
  { name: 'an image that exposes nothing', container: published, facts: exposing(), verdict: 'fail' },
  {
    name: 'the image was not read',
    container: published,
    facts: { images: seen([], 'GET /images/json') },
    verdict: 'unknown',
  },
  {
    name: 'the runtime does not say',
    container: published,
    facts: { images: seen([imageFact({ exposedPorts: absent('not part of the CRI') })], 'ImageStatus') },
    verdict: 'unknown',
  },
  { name: 'the network of the host', container: { declared: { networkMode: 'host' } }, verdict: 'notApplicable' },
]);

const own = (name: string, hard: number, openFiles = 1024) => ({
  declared: { ulimits: [{ name, soft: 1024, hard }] },
  limits: seen({ openFiles, processes: 100 }, '/proc/4121/limits'),
});
const defaults = docker(file({ 'default-ulimits': { nofile: { Name: 'nofile', Soft: 1024, Hard: 2048 } } }));

judgeContainers(t, ulimits, [
  { name: 'none of its own', verdict: 'pass' },
  { name: 'a finite one', container: own('nofile', 2048), verdict: 'pass' },
  { name: 'unlimited', container: own('nofile', -1), verdict: 'fail', reason: /unlimited nofile/ },
  {
    name: 'the kernel allows more',
    container: own('nofile', 1024, 4096),
    verdict: 'fail',
    reason: /kernel allows more/,
  },
  { name: 'not above the default', container: own('nofile', 2048), facts: defaults, verdict: 'pass' },
  {
    name: 'above the default',
    container: own('nofile', 4096),
    facts: defaults,
    verdict: 'manual',
    reason: /raises nofile/,
  },
  {
    name: 'limits that cannot be read',
    container: { limits: unreadable('/proc/4121/limits', 'denied') },
    verdict: 'unknown',
  },
]);
