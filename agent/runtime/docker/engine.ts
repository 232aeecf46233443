import * as s from '../../../posture/schema.ts';
import { MAX_STORED_IMAGES } from '../../../posture/fact/docker.ts';
import type { DockerApi, storedImagesSchema } from '../../../posture/fact/docker.ts';
import { containerCountsSchema } from '../../../posture/fact/node-status.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import { clip } from '../../inspector/clip.ts';
import type { EngineInfo, RuntimeVersion } from '../runtime.ts';

const text = s.withDefault(s.string(), '');
const flag = s.withDefault(s.boolean(), false);
const integer = s.withDefault(s.integer(), 0);
const texts = s.withDefault(s.list(s.string()), []);

/** What this program reads of `GET /info`. */
export const infoSchema = s.object({
  ContainersRunning: s.unknown(),
  ContainersPaused: s.unknown(),
  ContainersStopped: s.unknown(),
  ServerVersion: text,
  DockerRootDir: text,
  Driver: text,
  LoggingDriver: text,
  CgroupDriver: text,
  DefaultRuntime: text,
  /** Parsed in `handlers.ts`. */
  Runtimes: s.unknown(),
  SecurityOptions: texts,
  RegistryConfig: s.nullable(
    s.object({
      InsecureRegistryCIDRs: texts,
      IndexConfigs: s.withDefault(s.record(s.object({ Secure: s.withDefault(s.boolean(), true) })), {}),
    }),
  ),
  Plugins: s.nullable(s.object({ Authorization: texts })),
  LiveRestoreEnabled: flag,
  Debug: flag,
  ExperimentalBuild: flag,
  Swarm: s.nullable(s.object({ LocalNodeState: text, NodeAddr: text, ControlAvailable: flag, Managers: integer })),
  DriverStatus: s.withDefault(s.list(s.list(s.string())), []),
});

/** What this program reads of `GET /version`. */
export const versionSchema = s.object({
  Version: text,
  ApiVersion: text,
  Components: s.withDefault(s.list(s.object({ Name: text, Version: text })), []),
});

/** The components of an engine whose versions are judged. Docker calls a runtime by its name in the configuration. */
const COMPONENTS = ['containerd', 'runc'] as const;

/** What this program reads of `GET /networks/bridge`. */
export const networkSchema = s.object({ Options: s.withDefault(s.record(s.string()), {}) });

/** What an engine says in `DriverStatus` whose images containerd keeps. */
const CONTAINERD_STORE = 'io.containerd.snapshotter.v1';

/** What this program reads of `GET /images/json`. */
export const imageListSchema = s.list(
  s.object({ Id: s.string('', 128), RepoTags: texts, Created: integer, Size: integer }),
  '',
  MAX_STORED_IMAGES,
);

/** Images as the fact has them. */
export function toStoredImages(images: s.Infer<typeof imageListSchema>): s.Infer<typeof storedImagesSchema> {
  return images.map(({ Id, RepoTags, Created, Size }) => ({
    id: Id,
    name: clip(RepoTags.find((tag) => !tag.includes('<none>')) ?? '', 512),
    createdAtMs: Created * 1000,
    bytes: Size,
  }));
}

/** The version as the port has it. */
export function toVersion({ Version, ApiVersion }: s.Infer<typeof versionSchema>): RuntimeVersion {
  return { version: clip(Version, 128), apiVersion: clip(ApiVersion, 32) };
}

/** The engine as the fact has it; `version` is undefined where only that call failed. */
export function toDockerApi(
  info: s.Infer<typeof infoSchema>,
  version: s.Infer<typeof versionSchema> | undefined,
): DockerApi {
  return {
    version: clip(info.ServerVersion || (version?.Version ?? ''), 128),
    apiVersion: clip(version?.ApiVersion ?? '', 32),
    dataRoot: clip(info.DockerRootDir, 4096),
    storageDriver: clip(info.Driver, 128),
    loggingDriver: clip(info.LoggingDriver, 128),
    cgroupDriver: clip(info.CgroupDriver, 64),
    defaultRuntime: clip(info.DefaultRuntime, 256),
    securityOptions: info.SecurityOptions.slice(0, 64).map(parseSecurityOption),
    insecureRegistries: insecureRegistries(info),
    authorizationPlugins: (info.Plugins?.Authorization ?? []).slice(0, 64).map((name) => clip(name, 256)),
    liveRestore: info.LiveRestoreEnabled,
    debug: info.Debug,
    experimental: info.ExperimentalBuild,
    swarm: clip(info.Swarm?.LocalNodeState ?? '', 32) || 'inactive',
    components: componentsOf(version?.Components ?? []),
    imageStore: info.DriverStatus.some(([, value]) => value === CONTAINERD_STORE) ? 'containerd' : 'docker',
  };
}

function componentsOf(all: s.Infer<typeof versionSchema>['Components']): DockerApi['components'] {
  return COMPONENTS.flatMap((name) => {
    const found = all.find((one) => one.Name === name);
    return found === undefined ? [] : [{ name, version: clip(found.Version, 128) }];
  });
}

/** The counters of containers, which no check needs: where they are not understood, the rest of the answer still counts. */
export function toContainerCounts(info: s.Infer<typeof infoSchema>, source: string): EngineInfo['containers'] {
  const { ContainersRunning: running, ContainersPaused: paused, ContainersStopped: stopped } = info;
  const counts = containerCountsSchema.parse({ running, paused, stopped });
  return counts.ok ? seen(counts.value, source) : unreadable(source, `the answer is not understood: ${counts.problem}`);
}

/** `name=seccomp,profile=builtin`; engines before 17.03 answer with the bare name. */
export function parseSecurityOption(option: string): DockerApi['securityOptions'][number] {
  const options: Record<string, string> = {};
  let name = option.includes('=') ? '' : option;
  for (const part of option.split(',', 17)) {
    const equals = part.indexOf('=');
    if (equals === -1) continue;
    const key = part.slice(0, equals);
    const value = part.slice(equals + 1);
    if (key === 'name' && name === '') name = value;
    // `__proto__` as a key would be no entry.
    else if (key !== '__proto__') options[key] = clip(value, 1024);
  }
  return { name: clip(name, 64), options };
}

/** Whether the default bridge lets containers talk: on unless its option says no. */
export function parseInterContainer(network: s.Infer<typeof networkSchema>): boolean {
  const option = 'com.docker.network.bridge.enable_icc';
  return !(Object.hasOwn(network.Options, option) && network.Options[option] === 'false');
}

function insecureRegistries({ RegistryConfig: config }: s.Infer<typeof infoSchema>): readonly string[] {
  if (config === null) return [];
  const names = Object.entries(config.IndexConfigs)
    .filter(([, { Secure }]) => !Secure)
    .map(([name]) => name);
  return [...config.InsecureRegistryCIDRs, ...names]
    .filter((entry) => !isLoopback(entry))
    .slice(0, 1024)
    .map((entry) => clip(entry, 1024));
}

/** The engine itself always trusts the loopback networks; names of loopback reach no further. */
function isLoopback(entry: string): boolean {
  if (/^(?:localhost|::1(?:\/128)?|\[::1\])(?::\d{1,5})?$/.test(entry)) return true;
  const match = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}(?:\/(\d{1,2}))?(?::\d{1,5})?$/.exec(entry);
  return match !== null && Number(match[1] ?? 32) >= 8;
}
