import { mapObserved, observed } from '../observed.ts';
import type { Observed } from '../observed.ts';
import * as s from '../schema.ts';
import { seccompSummarySchema } from './container.ts';
import { swarmSchema } from './swarm.ts';

/** One seccomp, user-namespace … entry of `GET /info` SecurityOptions: `name=seccomp,profile=builtin`. */
const securityOption = s.object({
  name: s.string('name of the option: `seccomp`, `apparmor`, `selinux`, `userns`, `rootless` …', 64),
  options: s.record(s.string('', 1024), 'further settings of the option: `profile` of `seccomp`', 16),
});

/** What `GET /info` and `GET /version` say: the daemon as it runs. */
export const dockerApiSchema = s.object({
  version: s.string('engine version', 128),
  apiVersion: s.string('newest API version that the engine supports, `1.45`', 32),
  dataRoot: s.string('DockerRootDir', 4096),
  storageDriver: s.string('Driver: `overlay2`', 128),
  loggingDriver: s.string('default log driver', 128),
  cgroupDriver: s.string('CgroupDriver: `cgroupfs`, `systemd` or `none`', 64),
  defaultRuntime: s.string('DefaultRuntime: `runc`', 256),
  securityOptions: s.list(securityOption, 'SecurityOptions, taken apart', 64),
  insecureRegistries: s.list(s.string('', 1024), 'CIDRs and names trusted without TLS, loopback left out', 1024),
  authorizationPlugins: s.list(s.string('', 256), 'Plugins.Authorization: names of the authorization plugins', 64),
  liveRestore: s.boolean('LiveRestoreEnabled'),
  debug: s.boolean('Debug'),
  experimental: s.boolean('ExperimentalBuild'),
  swarm: s.string('LocalNodeState: inactive, active …', 32),
  components: s.withDefault(
    s.list(
      s.object({
        name: s.oneOf(['containerd', 'runc'], 'the program'),
        version: s.string('as it tells it, `1.7.24~ds1`', 128),
      }),
      'versions of containerd and runc: `GET /version` Components; containerd served by the CRI tells its own',
      8,
    ),
    [],
  ),
  imageStore: s.withDefault(
    s.oneOf(['docker', 'containerd'], 'who keeps the layers of images: dockerd in its data root, or containerd'),
    'docker',
  ),
});
/** See {@link dockerApiSchema}. */
export type DockerApi = s.Infer<typeof dockerApiSchema>;

/** The running daemon process, from `/proc/PID`. */
export const dockerProcessSchema = s.object({
  pid: s.integer('process id in the PID namespace of the host'),
  uid: s.integer('effective user id'),
  startedAtMs: s.integer('milliseconds since 1970; 0 when it could not be worked out'),
  executable: s.string('`/proc/PID/exe`', 4096),
  flags: s.record(
    s.list(s.string('', 1024), '', 256),
    'command-line flags by long name without dashes; every value in order; a bare flag has the value `true`',
    256,
  ),
  environment: s.record(s.string('', 1024), 'DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and DOCKER_CONFIG only', 16),
});
/** See {@link dockerProcessSchema}. */
export type DockerProcess = s.Infer<typeof dockerProcessSchema>;

/** daemon.json: only the keys that checks read are kept, so no credential of it goes further. */
export const dockerFileSchema = s.object({
  path: s.string('path of the file on the host', 4096),
  modifiedAtMs: s.integer('last modification, milliseconds since 1970'),
  keys: s.record(s.unknown(), 'values as in the file', 128),
});
/** See {@link dockerFileSchema}. */
export type DockerFile = s.Infer<typeof dockerFileSchema>;

/** The file with the seccomp profile of the daemon. */
export const dockerSeccompFileSchema = s.object({
  modifiedAtMs: s.integer('last modification, milliseconds since 1970'),
  summary: seccompSummarySchema,
});
/** See {@link dockerSeccompFileSchema}. */
export type DockerSeccompFile = s.Infer<typeof dockerSeccompFileSchema>;

/** The package that a program was installed from. */
export const installedPackageSchema = s.object({
  name: s.string('`docker.io`, `docker-ce`', 128),
  version: s.string('complete version, `26.1.5+dfsg1-9+deb13u1`', 256),
});
/** See {@link installedPackageSchema}. */
export type InstalledPackage = s.Infer<typeof installedPackageSchema>;

const storageRootSchema = s.object({
  purpose: s.oneOf(['engine', 'containerd'], 'whose directory it is'),
  path: s.string('as the engine or the configuration names it', 4096),
  mount: observed(
    s.object({
      realPath: s.string('path after symbolic links were followed', 4096),
      mountPoint: s.string('where the file system is mounted that has it', 4096),
      device: s.string('major:minor of that file system', 32),
      fsType: s.string('its type, `ext4`', 64),
      source: s.string('its device or pool', 4096),
      rootDevice: s.string('major:minor of the file system of `/`', 32),
      rootSource: s.string('its device or pool', 4096),
    }),
    'the file system that the directory is in, `/proc/1/mountinfo`',
  ),
});
/** A directory in which images and containers are kept. */
export type StorageRoot = s.Infer<typeof storageRootSchema>;

/** Who may connect to the socket of an engine beside root. */
export const socketAccessSchema = s.object({
  uid: s.integer('owner of the socket'),
  gid: s.integer('group of the socket'),
  group: s.string('its name, otherwise the number', 256),
  everybody: s.boolean('every account may write to the socket'),
  members: s.list(
    s.string('', 256),
    'accounts that are in the group, by its list of members or as their primary group, without those of user id 0; empty where the group may not write',
    10_000,
  ),
  otherServices: s.list(
    s.string('', 64),
    'services of `/etc/nsswitch.conf` that may know further members, `sss`; they are not asked',
    16,
  ),
});
/** See {@link socketAccessSchema}. */
export type SocketAccess = s.Infer<typeof socketAccessSchema>;

/** Images of an engine that are listed. */
export const MAX_STORED_IMAGES = 10_000;

/** What an engine has on disk. */
export const storedImagesSchema = s.list(
  s.object({
    id: s.string('sha256:…', 128),
    name: s.string('first tag; empty where it has none', 512),
    createdAtMs: s.integer('when it was built, milliseconds since 1970'),
    bytes: s.integer('size with all its layers, which it may share with others'),
  }),
  '',
  MAX_STORED_IMAGES,
);

/**
 * The user who serves an engine: of a socket in the runtime directory of a user (`/run/user/1000`) that user, since
 * nobody else decides what listens there; otherwise 0.
 */
export function userOfEngine(endpoint: string): number {
  return Number(/^unix:\/\/(?:\/var)?\/run\/user\/(\d{1,10})\//.exec(endpoint)?.[1] ?? 0);
}

/** Name of a runtime that has not answered yet. */
export const UNKNOWN_RUNTIME = 'unknown';

/** The Docker daemon of the node. */
export const dockerSchema = s.object(
  {
    present: observed(
      s.boolean(),
      'true: answers on its socket; absent: neither socket nor daemon process; unreadable: there, but not for us',
    ),
    runtime: s.string('`docker`, `podman` or another container runtime; `unknown`: it has not answered', 32),
    endpoint: s.string('socket that was asked, `unix:///var/run/docker.sock`', 4096),
    api: observed(dockerApiSchema, '`GET /info` and `GET /version`'),
    process: observed(dockerProcessSchema, 'the dockerd process'),
    file: observed(dockerFileSchema, 'daemon.json, from `--config-file` or `/etc/docker/daemon.json`'),
    bridgeInterContainer: observed(s.boolean(), 'can containers on the default bridge talk: `GET /networks/bridge`'),
    seccompFile: observed(
      dockerSeccompFileSchema,
      'custom seccomp profile for containers without one of their own, from the file that `GET /info` names; absent: none or no such file',
    ),
    userlandProxies: observed(s.integer(), 'running docker-proxy processes'),
    package: observed(
      installedPackageSchema,
      'the package of dockerd by the database of dpkg; looked for only where an authorization plugin is active or the release lacks known fixes, otherwise absent',
    ),
    swarm: observed(swarmSchema, 'the swarm that it is part of; absent: none'),
    swarmPorts: observed(
      s.list(s.object({ address: s.string('of the host', 64), port: s.integer('2377 or 7946') }), '', 64),
      'TCP ports 2377 and 7946 that dockerd listens on; absent where it is in no swarm',
    ),
    contentTrust: observed(
      s.list(
        s.object({
          source: s.string('file and line', 4128),
          value: s.string('`0`, `1` or another text, as it is written', 16),
        }),
        '',
        64,
      ),
      'where DOCKER_CONTENT_TRUST is set for people who log in: `/etc/environment`, `/etc/profile`, `/etc/profile.d/*.sh`',
    ),
    storage: s.list(storageRootSchema, 'directories in which images and containers are kept', 2),
    socketAccess: observed(socketAccessSchema, 'who may use the socket beside root; absent for an endpoint on TCP'),
    images: observed(
      storedImagesSchema,
      'all images of the engine, used or not; absent for runtimes without the Docker API',
    ),
  },
  'the Docker daemon',
);
/** See {@link dockerSchema}. */
export type DockerFact = s.Infer<typeof dockerSchema>;

/** Name and version of the first engine of root that answers; empty: there is none; null: one could not be read. */
export function describeEngines(engines: readonly DockerFact[]): string | null {
  const present = engines.filter((engine) => userOfEngine(engine.endpoint) === 0 && engine.present.state !== 'absent');
  for (const { api, runtime } of present) if (api.state === 'seen') return `${runtime} ${api.value.version}`;
  return present.length > 0 ? null : '';
}

/** What checks of containers may read of an engine. The rest changes more often: an image is pulled, a port published. */
export interface EngineSettings extends Pick<DockerFact, 'endpoint' | 'process' | 'file'> {
  readonly api: Observed<Pick<DockerApi, 'dataRoot' | 'securityOptions'>>;
}

/** The settings of an engine without the rest of the fact. */
export function engineSettings({ endpoint, process, file, api }: DockerFact): EngineSettings {
  const readOfApi = mapObserved(api, ({ dataRoot, securityOptions }) => ({ dataRoot, securityOptions }));
  return { endpoint, process, file, api: readOfApi };
}
