import type { DockerApi, DockerFact } from '../../fact/docker.ts';
import type { Evidence } from '../../verdict.ts';
import { quoteList } from '../evidence-text.ts';
import { isLoopbackRegistry } from './loopback-registry.ts';
import { configuredEvidence, securityOption } from './setting.ts';
import { isOn, configuredValueOf } from './configured-value.ts';
import type { SettingName } from './configured-value.ts';

/** A setting whose running value can be compared with the configured one. */
interface Comparable extends SettingName {
  readonly source: string;
  /** Null where dockerd chooses at start: then only a configured value can differ. */
  readonly whenUnset: readonly string[] | null;
  /** The running value; undefined where this daemon does not report it. */
  readonly running: (api: DockerApi, docker: DockerFact) => readonly string[] | undefined;
  readonly same: (running: readonly string[], configured: readonly string[]) => boolean;
}

type Same = Comparable['same'];
const sameSwitch: Same = (running, configured) => isOn(running) === isOn(configured);
const sameText: Same = (running, configured) => running.at(-1) === configured.at(-1);
const sameSet: Same = (running, configured) => running.toSorted().join('\n') === configured.toSorted().join('\n');
/** For values that the daemon rewrites: compares only whether there are any. */
const sameKind: Same = (running, configured) => running.some(counts) === configured.some(counts);

function counts(value: string): boolean {
  return value !== '' && !isLoopbackRegistry(value);
}

/** The running value and the configured one, for each setting where they differ. */
export function differences(docker: DockerFact): readonly Evidence[] {
  if (docker.api.state !== 'seen') return [];
  const found: Evidence[] = [];
  for (const setting of COMPARABLE) {
    const running = setting.running(docker.api.value, docker);
    const configured = configuredValueOf(docker, setting, setting.whenUnset);
    if (running === undefined || !configured.known || setting.same(running, configured.values)) continue;
    const expected = 'the same as the running daemon';
    found.push(
      { source: setting.source, seen: quoteList(running), expected: configured.seen },
      configuredEvidence(configured, expected),
    );
  }
  return found;
}

/** Settings that are both a flag and in daemon.json: dockerd will not start again. */
export function duplicateSettings({ process, file }: DockerFact): readonly Evidence[] {
  if (process.state !== 'seen' || file.state !== 'seen') return [];
  const { flags, pid } = process.value;
  const twice = Object.keys(file.value.keys).filter((key) => key !== 'runtimes' && Object.hasOwn(flags, flagOf(key)));
  return twice.toSorted().map((key) => ({
    source: file.value.path,
    seen: `"${key}" is set here and as --${flagOf(key)} in /proc/${String(pid)}/cmdline`,
    expected: 'in one place only: dockerd does not start with both',
  }));
}

const PLURAL: ReadonlyMap<string, string> = new Map([
  ['authorization-plugins', 'authorization-plugin'],
  ['default-ulimits', 'default-ulimit'],
  ['exec-opts', 'exec-opt'],
  ['hosts', 'host'],
  ['insecure-registries', 'insecure-registry'],
  ['labels', 'label'],
  ['log-opts', 'log-opt'],
  ['registry-mirrors', 'registry-mirror'],
  ['storage-opts', 'storage-opt'],
]);

function flagOf(key: string): string {
  return PLURAL.get(key) ?? key;
}

const COMPARABLE: readonly Comparable[] = [
  {
    flag: 'authorization-plugin',
    key: 'authorization-plugins',
    source: 'GET /info Plugins.Authorization',
    whenUnset: [],
    running: (api) => api.authorizationPlugins,
    same: sameSet,
  },
  {
    flag: 'debug',
    source: 'GET /info Debug',
    whenUnset: ['false'],
    running: (api) => [String(api.debug)],
    same: sameSwitch,
  },
  {
    flag: 'default-runtime',
    source: 'GET /info DefaultRuntime',
    whenUnset: null,
    running: (api) => [api.defaultRuntime],
    same: sameText,
  },
  {
    flag: 'experimental',
    source: 'GET /info ExperimentalBuild',
    whenUnset: ['false'],
    running: (api) => [String(api.experimental)],
    same: sameSwitch,
  },
  {
    flag: 'icc',
    source: 'GET /networks/bridge enable_icc',
    whenUnset: ['true'],
    running: (_, { bridgeInterContainer: bridge }) => (bridge.state === 'seen' ? [String(bridge.value)] : undefined),
    same: sameSwitch,
  },
  {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    source: 'GET /info RegistryConfig',
    whenUnset: [],
    running: (api) => api.insecureRegistries,
    same: sameKind,
  },
  {
    flag: 'live-restore',
    source: 'GET /info LiveRestoreEnabled',
    whenUnset: ['false'],
    running: (api) => [String(api.liveRestore)],
    same: sameSwitch,
  },
  {
    flag: 'log-driver',
    source: 'GET /info LoggingDriver',
    whenUnset: ['json-file'],
    running: (api) => [api.loggingDriver],
    same: sameText,
  },
  {
    flag: 'no-new-privileges',
    source: 'GET /info SecurityOptions no-new-privileges',
    whenUnset: ['false'],
    // Only recent engines list it, so that its absence says nothing.
    running: (api) => (securityOption(api, 'no-new-privileges') === undefined ? undefined : ['true']),
    same: sameSwitch,
  },
  {
    flag: 'seccomp-profile',
    source: 'GET /info SecurityOptions seccomp',
    whenUnset: ['builtin'],
    running: (api) => {
      const profile = securityOption(api, 'seccomp')?.options['profile'];
      return profile === undefined ? undefined : [profile === 'default' ? 'builtin' : profile];
    },
    same: sameText,
  },
  {
    flag: 'storage-driver',
    source: 'GET /info Driver',
    whenUnset: null,
    running: (api) => [api.storageDriver],
    same: sameText,
  },
  {
    flag: 'userns-remap',
    source: 'GET /info SecurityOptions userns',
    whenUnset: [''],
    // A rootless daemon is in a user namespace without this setting.
    running: (api) =>
      securityOption(api, 'rootless') === undefined
        ? [securityOption(api, 'userns') === undefined ? '' : 'name=userns']
        : undefined,
    same: sameKind,
  },
];
