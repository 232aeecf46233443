import type { Random } from '../fixture/random.ts';
import type { Call } from './rig.ts';

/** Settings that the built-in policy forbids, as `HostConfig` has them. */
const FORBIDDEN: readonly (readonly [key: string, value: unknown])[] = [
  ['Privileged', true],
  ['PidMode', 'host'],
  ['IpcMode', 'host'],
  ['UTSMode', 'host'],
  ['UsernsMode', 'host'],
  ['NetworkMode', 'host'],
  ['PidMode', 'container:base'],
  ['NetworkMode', 'container:base'],
  ['Binds', ['/:/host']],
  ['Binds', ['/srv/../etc:/etc:ro']],
  ['Binds', ['/srv/data:/data']],
  ['Binds', ['/srv/data/:/data:rw,z']],
  ['Mounts', [{ Type: 'bind', Source: '/etc', Target: '/x' }]],
  ['Mounts', [{ Type: 'bind', Source: '/srv/./../', Target: '/x', ReadOnly: true }]],
  [
    'Mounts',
    [
      {
        Type: 'volume',
        Source: 'inline',
        Target: '/x',
        VolumeOptions: {
          DriverConfig: { Name: 'local', Options: { type: 'none', o: 'bind', device: '/' } },
        },
      },
    ],
  ],
  ['VolumesFrom', ['base']],
  ['CapAdd', ['SYS_ADMIN']],
  ['CapAdd', ['cap_sys_ptrace']],
  ['CapAdd', ['all']],
  ['SecurityOpt', ['seccomp=unconfined']],
  ['SecurityOpt', ['apparmor:unconfined']],
  ['SecurityOpt', ['label=disable']],
  ['Sysctls', { 'kernel.shmmax': '1' }],
  ['Devices', [{ PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }]],
  ['DeviceCgroupRules', ['b *:* rwm']],
  ['CgroupParent', '/system.slice'],
  ['MaskedPaths', []],
  ['ReadonlyPaths', ['/proc/sys/kernel']],
  ['ReadonlyPaths', []],
  ['Annotations', { 'run.oci.keep_original_groups': '1' }],
  ['OomScoreAdj', -1000],
  ['Ulimits', [{ Name: 'rtPrio', Soft: 1, Hard: 99 }]],
  ['CgroupnsMode', 'host'],
  ['CgroupnsMode', ''],
];
/** Settings that it allows. */
const ALLOWED: readonly (readonly [key: string, value: unknown])[] = [
  ['Memory', 64 * 1024 * 1024],
  ['Binds', ['/srv/data:/data:ro']],
  ['Binds', ['named:/data']],
  ['CapAdd', ['CHOWN']],
  ['CapDrop', ['ALL']],
  ['Mounts', [{ Type: 'tmpfs', Target: '/scratch' }]],
  ['SecurityOpt', ['no-new-privileges']],
  ['MaskedPaths', null],
  ['ReadonlyRootfs', true],
  ['OomScoreAdj', 10],
];
/** Without it a host with cgroup v1 gives the cgroup namespace of the host. */
const OWN_CGROUPS: Member = ['CgroupnsMode', '"private"'];
const PATHS = [
  '/v1.45/containers/create',
  '/v1.41/containers/create',
  '/v1.24/containers/create',
  '/v1.40/containers/create',
  '/containers/create',
  '/v1.45/containers%2fcreate',
  '/v1.45/containers/%63reate',
  '/%76%31.45/containers/create',
  'http://docker/v1.45/containers/create',
  'x://y/containers/create',
  '/containers/create?name=&x=/auth/',
  '/v1.45/containers/create?/v1.45/auth',
  '//containers/create',
  '/v1.45/./containers/create',
  '/v1.45/containers/create/',
  '/v1.45/images/../containers/create',
];
const TYPES: readonly (string | readonly string[] | undefined)[] = [
  'application/json',
  'Application/JSON; charset=utf-8',
  'application/json;',
  ['application/json', 'text/plain'],
  ['text/plain', 'application/json'],
  'text/plain',
  'application/x-www-form-urlencoded',
  undefined,
];

/** A request to create a container, and whether it is as a client would send it and asks for nothing forbidden. */
export interface FuzzedRequest {
  readonly call: Call;
  readonly isHarmless: boolean;
}

/** Makes one request. About a third are plain; the others differ in what readers of HTTP and JSON disagree about. */
export function fuzzRequest(random: Random, image: string): FuzzedRequest {
  const chance = (share: number): boolean => random.next() < share;
  const isPlain = chance(0.35);
  const isForbidden = chance(0.75);
  const [key, value] = random.pick(isForbidden ? FORBIDDEN : ALLOWED);
  const written = isPlain ? key : spelled(key, random);
  const setting: Member = [written, JSON.stringify(value)];
  const benign: Member = [isPlain || chance(0.5) ? key : spelled(key, random), chance(0.5) ? 'null' : zeroOf(value)];
  const isTwice = !isPlain && chance(0.25);
  const settings = isTwice ? (chance(0.5) ? [setting, benign] : [benign, setting]) : [setting];
  const inner = key === 'CgroupnsMode' || (!isPlain && chance(0.1)) ? settings : [...settings, OWN_CGROUPS];
  const hostConfig: Member = [isPlain ? 'HostConfig' : spelled('HostConfig', random), objectOf(inner)];
  const members: Member[] = [['Image', JSON.stringify(image)], ['Cmd', '["sleep","1000"]'], hostConfig];
  if (!isPlain && chance(0.2)) members.push([spelled('HostConfig', random), chance(0.5) ? '{}' : 'null']);
  if (!isPlain && chance(0.15)) members.splice(2, 1, setting);
  if (!isPlain && chance(0.05)) members.push(['AutoRemove', 'true']);
  if (!isPlain && chance(0.01)) members.push(['Padding', JSON.stringify('x'.repeat(random.pick([1.2e6, 4.3e6])))]);
  if (!isPlain && chance(0.3)) members.reverse();
  const body =
    objectOf(members) + (isPlain || chance(0.9) ? '' : random.pick([' ', '{}', '\n{"Image":"x"}', 'x', '\0']));
  const type = isPlain || chance(0.7) ? 'application/json' : random.pick(TYPES);
  const headers = {
    ...(type === undefined ? {} : { 'Content-Type': type }),
    ...(!isPlain && chance(0.3) ? { 'Transfer-Encoding': 'chunked' } : {}),
  };
  const target = isPlain ? '/v1.45/containers/create' : random.pick(PATHS);
  return { call: { target, body, headers }, isHarmless: isPlain && !isForbidden };
}

type Member = readonly [key: string, json: string];

function objectOf(members: readonly Member[]): string {
  return `{${members.map(([key, json]) => `"${key}":${json}`).join(',')}}`;
}

function zeroOf(value: unknown): string {
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object') return '{}';
  return typeof value === 'string' ? '""' : typeof value === 'number' ? '0' : 'false';
}

/** The key in another spelling that Go's encoding/json takes for the same field, as the inside of a JSON string. */
function spelled(key: string, random: Random): string {
  const letters = key.split('').map((letter) => {
    switch (random.between(0, 5)) {
      case 0:
        return letter.toLowerCase();
      case 1:
        return letter.toUpperCase();
      case 2:
        return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
      case 3:
        return /s/i.test(letter) ? '\u017F' : /k/i.test(letter) ? '\u212A' : letter;
      default:
        return letter;
    }
  });
  return letters.join('');
}
