import t from 'tap';
import { authorizationPlugin } from '../../../../posture/check/daemon/authorization-plugin.ts';
import { cgroupParent } from '../../../../posture/check/daemon/cgroup-parent.ts';
import { defaultUlimits } from '../../../../posture/check/daemon/default-ulimits.ts';
import { noNewPrivileges } from '../../../../posture/check/daemon/no-new-privileges.ts';
import { rootless } from '../../../../posture/check/daemon/rootless.ts';
import { seccompProfile } from '../../../../posture/check/daemon/seccomp-profile.ts';
import { usernsRemap } from '../../../../posture/check/daemon/userns-remap.ts';
import type { DockerFact } from '../../../../posture/fact/docker.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import {
  ABSENT,
  AFTER,
  BEFORE,
  BLIND,
  PENDING,
  api,
  docker,
  file,
  flags,
  noApi,
  noProcess,
  options,
} from '../../../fixture/docker-rows.ts';
import { containerFact } from '../../../fixture/container.ts';
import { dockerFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

judgeNodes(t, usernsRemap, [
  { name: 'default', facts: docker(), verdict: 'fail', seen: ['neither name=userns nor name=rootless'] },
  {
    name: 'remapped',
    facts: docker(options(['seccomp', 'builtin'], ['userns'])),
    verdict: 'pass',
    seen: ['name=userns'],
  },
  { name: 'rootless counts', facts: docker(options(['rootless'])), verdict: 'pass', seen: ['name=rootless'] },
  {
    name: 'in the file only',
    facts: docker(file({ 'userns-remap': 'default' }, AFTER)),
    verdict: 'fail',
    seen: ['neither name=userns nor name=rootless', `"userns-remap": "default" (${PENDING})`],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, rootless, [
  { name: 'root', facts: docker(), verdict: 'manual', seen: ['Uid: 0', 'no name=rootless'] },
  { name: 'listed', facts: docker(options(['rootless'])), verdict: 'pass' },
  { name: 'another user', facts: docker(flags({}, 1000)), verdict: 'pass', seen: ['Uid: 1000'] },
  // userns-remap is something else.
  { name: 'remapped', facts: docker(options(['userns'])), verdict: 'manual' },
  { name: 'API for others only, another user', facts: docker(noApi, flags({}, 1000)), verdict: 'pass' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, noNewPrivileges, [
  { name: 'default', facts: docker(), verdict: 'fail' },
  { name: 'listed', facts: docker(options(['no-new-privileges'])), verdict: 'pass' },
  {
    name: 'by flag, on an engine that does not list it',
    facts: docker(flags({ 'no-new-privileges': ['true'] })),
    verdict: 'pass',
  },
  // The text of the flag is enough for docker-bench.
  { name: 'false by flag', facts: docker(flags({ 'no-new-privileges': ['false'] })), verdict: 'fail' },
  { name: 'in the file', facts: docker(file({ 'no-new-privileges': true })), verdict: 'pass' },
  {
    name: 'in a newer file',
    facts: docker(file({ 'no-new-privileges': true }, AFTER)),
    verdict: 'unknown',
    reason: /pending restart/,
  },
  ABSENT,
  BLIND,
]);

const PROFILE_FILE = options(['seccomp', '/etc/docker/s.json']);

/** A profile file by the number of dangerous system calls that it withholds and allows. */
function profile(withheld: number, allowed: number, modifiedAtMs = BEFORE): Pick<DockerFact, 'seccompFile'> {
  const summary = {
    defaultAction: allowed > withheld ? 'SCMP_ACT_ALLOW' : 'SCMP_ACT_ERRNO',
    allowed: Array.from({ length: allowed }, (_, index) => `call${String(index)}`),
    withheld,
  };
  return { seccompFile: seen({ modifiedAtMs, summary }, '/etc/docker/s.json') };
}

judgeNodes(t, seccompProfile, [
  { name: 'builtin', facts: docker(), verdict: 'pass', seen: ['name=seccomp,profile=builtin'] },
  // What engines before 23 call it; docker-bench knows nothing else.
  { name: 'default', facts: docker(options(['seccomp', 'default'])), verdict: 'pass' },
  { name: 'unconfined', facts: docker(options(['seccomp', 'unconfined'])), verdict: 'fail', severity: 'high' },
  { name: 'no seccomp at all', facts: docker(options(['apparmor'])), verdict: 'fail', seen: ['no name=seccomp'] },
  { name: 'a profile that is not named', facts: docker(options(['seccomp'])), verdict: 'manual' },
  {
    name: 'a file that allows everything',
    facts: docker(PROFILE_FILE, profile(0, 27)),
    verdict: 'fail',
    severity: 'high',
    seen: ['name=seccomp,profile=/etc/docker/s.json', 'SCMP_ACT_ALLOW, withholds 0 of 27 dangerous system calls'],
    reason: /^the seccomp profile of the daemon allows every dangerous system call$/,
  },
  { name: 'a file that allows most', facts: docker(PROFILE_FILE, profile(3, 24)), verdict: 'fail', severity: 'medium' },
  { name: 'a file that withholds most', facts: docker(PROFILE_FILE, profile(24, 3)), verdict: 'pass' },
  {
    name: 'a file that was modified after the start, however strict',
    facts: docker(PROFILE_FILE, profile(27, 0, AFTER)),
    verdict: 'unknown',
    reason: /modified after dockerd had read it/,
  },
  {
    name: 'a file, and no process that says when it was read',
    facts: docker(PROFILE_FILE, profile(27, 0), noProcess),
    verdict: 'unknown',
    reason: /start time of dockerd is unknown/,
  },
  {
    name: 'a file that others can write',
    facts: docker(PROFILE_FILE, { seccompFile: unreadable('/etc/docker/s.json', 'writable by uid 1000') }),
    verdict: 'unknown',
    reason: /s\.json: writable by uid 1000/,
  },
  {
    name: 'a file that is gone',
    facts: docker(PROFILE_FILE, { seccompFile: absent('/etc/docker/s.json') }),
    verdict: 'unknown',
    reason: /does not exist any more/,
  },
  {
    name: 'API for others only, proved by the flags',
    facts: docker(noApi, flags({ 'seccomp-profile': ['unconfined'] })),
    verdict: 'fail',
    seen: ['--seccomp-profile=unconfined'],
    sources: ['/proc/812/cmdline'],
  },
  {
    name: 'API for others only, proved by the file',
    facts: docker(noApi, file({ 'seccomp-profile': 'unconfined' })),
    verdict: 'fail',
  },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown', reason: /GET \/info: permission denied/ },
  {
    name: 'unconfined after the next restart',
    facts: docker(file({ 'seccomp-profile': 'unconfined' }, AFTER)),
    verdict: 'pass',
    seen: ['name=seccomp,profile=builtin', `"seccomp-profile": "unconfined" (${PENDING})`],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, authorizationPlugin, [
  { name: 'none', facts: docker(), verdict: 'fail', seen: ['none'] },
  { name: 'one', facts: docker(api({ authorizationPlugins: ['opa'] })), verdict: 'pass', seen: ['opa'] },
  // Configured but not loaded: docker-bench lets it pass.
  {
    name: 'in the file, not loaded',
    facts: docker(file({ 'authorization-plugins': ['opa'] })),
    verdict: 'fail',
    seen: ['none', '"authorization-plugins": ["opa"]'],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, cgroupParent, [
  { name: 'default', facts: docker(), verdict: 'pass' },
  { name: 'another by flag', facts: docker(flags({ 'cgroup-parent': ['/tenant'] })), verdict: 'fail' },
  // docker-bench never sees this one.
  {
    name: 'another in the file',
    facts: docker(file({ 'cgroup-parent': 'tenant.slice' })),
    verdict: 'fail',
    severity: 'low',
  },
  { name: 'the default, said aloud', facts: docker(file({ 'cgroup-parent': 'system.slice' })), verdict: 'pass' },
  ABSENT,
  BLIND,
]);

const limits = (nofile: number, nproc: number): Pick<DockerFact, 'file'> =>
  file({
    'default-ulimits': {
      nofile: { Name: 'nofile', Soft: 1024, Hard: nofile },
      nproc: { Name: 'nproc', Soft: 512, Hard: nproc },
    },
  });
const ENDPOINT = dockerFact().endpoint;
/** Running containers with these hard limits of open files and processes; undefined: they cannot be read. */
function inherited(
  limits: readonly (readonly [files: number, processes: number] | undefined)[],
  engine = ENDPOINT,
  ...parts: readonly Partial<DockerFact>[]
): Partial<Facts> {
  const running = limits.map((limit, index) => ({
    ...containerFact(),
    id: `c${String(index)}`,
    name: `c${String(index)}`,
    engine,
    limits:
      limit === undefined
        ? unreadable('/proc/1/limits', 'permission denied')
        : seen({ openFiles: limit[0], processes: limit[1] }, '/proc/1/limits'),
  }));
  return { ...docker(...parts), containers: seen(running, 'GET /containers/json') };
}
judgeNodes(t, defaultUlimits, [
  { name: 'unset, and nothing runs', facts: inherited([]), verdict: 'manual', reason: /no container runs/ },
  {
    name: 'unset, and the kernel limits each container',
    facts: inherited([
      [1_048_576, 96_365],
      [1024, 512],
    ]),
    verdict: 'pass',
    seen: [
      '2 running containers, each with finite limits of open files and processes',
      'default-ulimit is not set (default: none)',
    ],
  },
  {
    name: 'unset, as a unit with LimitNPROC=infinity leaves it',
    facts: inherited([
      [1024, 512],
      [524_288, -1],
    ]),
    verdict: 'fail',
    seen: ['c1: hard limits: open files 524288, processes unlimited', 'default-ulimit is not set (default: none)'],
  },
  // systemd raises fs.nr_open to this number, and infinity is written as it.
  { name: 'as LimitNOFILE=infinity leaves it', facts: inherited([[1_073_741_816, 512]]), verdict: 'fail' },
  {
    name: 'one container cannot be read',
    facts: inherited([[1024, 512], undefined]),
    verdict: 'unknown',
    reason: /permission denied/,
  },
  { name: 'that hides no other', facts: inherited([undefined, [1024, -1]]), verdict: 'fail' },
  { name: 'of another engine', facts: inherited([[1024, -1]], 'unix:///run/other.sock'), verdict: 'manual' },
  {
    name: 'containers cannot be read',
    facts: { ...docker(), containers: unreadable('GET /containers/json', 'timeout') },
    verdict: 'unknown',
  },
  { name: 'both', facts: docker(limits(65_536, 4096)), verdict: 'pass' },
  {
    name: 'by flags',
    facts: docker(flags({ 'default-ulimit': ['nofile=1024:65536', 'nproc=4096'] })),
    verdict: 'pass',
  },
  // The value is not looked at by docker-bench.
  { name: 'infinite', facts: docker(limits(65_536, -1)), verdict: 'fail' },
  { name: 'infinite as a number', facts: docker(limits(2 ** 30, 512)), verdict: 'fail' },
  {
    name: 'one only',
    facts: inherited([[2048, -1]], ENDPOINT, flags({ 'default-ulimit': ['nofile=1024:2048'] })),
    verdict: 'fail',
  },
  { name: 'not a map', facts: inherited([], ENDPOINT, file({ 'default-ulimits': 'nofile=1' })), verdict: 'manual' },
  ABSENT,
  BLIND,
]);
