import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { lacksFixes } from '../../../posture/check/daemon/engine-release.ts';
import { userOfEngine } from '../../../posture/fact/docker.ts';
import type {
  DockerApi,
  DockerFact,
  DockerFile,
  DockerProcess,
  DockerSeccompFile,
} from '../../../posture/fact/docker.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { isDefaultEndpoint } from '../../runtime/docker/engine-address.ts';
import type { EngineInfo, Reply } from '../../runtime/runtime.ts';
import type { Inspector } from '../inspector.ts';
import { readInstalledPackage } from '../installed-package.ts';
import { unseen } from '../read-text.ts';
import { runtimeUnseen, socketPath } from '../runtime-reply.ts';
import { readTrusted, statTrusted } from '../trusted-path.ts';
import { summarizeProfile } from '../../runtime/docker/seccomp-profile.ts';
import { parseDaemonJson } from './daemon-json.ts';
import { readContentTrust } from './content-trust.ts';
import { readSocketAccess } from './socket-access.ts';
import { readStorage } from './storage.ts';
import { readSwarmPorts } from './swarm-ports.ts';
import { readDockerProcesses } from './process.ts';
import type { DockerProcesses } from './process.ts';

const NO_FLAGS: Pick<DockerProcess, 'flags'> = Object.freeze({ flags: {} });
const DEFAULT_CONFIG = '/etc/docker/daemon.json';
/** No real daemon.json comes near. */
const MAX_CONFIG_BYTES = 256 * 1024;
/** The default profile of the engine has about 15 KB. */
const MAX_PROFILE_BYTES = 1024 * 1024;

/** The Docker daemon: what it answers, what its process shows, what its file says. */
export const dockerInspector: Inspector<'docker'> = {
  fact: 'docker',
  needs: [],
  inspect: inspectDocker,
  watches: ({ docker }) => watchedPathsOf(docker),
};

/** The files of a daemon whose change makes what is known of it stale. */
export function watchedPathsOf(docker: DockerFact): readonly string[] {
  // Their user could change them without end.
  if (userOfEngine(docker.endpoint) !== 0) return [];
  const socket = socketPath(docker.endpoint);
  const file = docker.file.state === 'seen' ? docker.file.value.path : docker.file.source;
  const profile = docker.seccompFile.state === 'seen' ? [docker.seccompFile.source] : [];
  return [file, ...(socket === undefined ? [] : [socket]), ...profile];
}

/** The engine that `access.runtime` leads to; of one that is not Docker, what it answers. */
export async function inspectDocker(access: NodeAccess, known: Partial<Facts> = {}): Promise<DockerFact> {
  const { host, runtime } = access;
  const { endpoint } = runtime;
  const isOfUser = userOfEngine(endpoint) !== 0;
  const [engine, distrust] = await Promise.all([
    runtime.engine(),
    isOfUser ? undefined : socketDistrust(host, endpoint),
  ]);
  const last = [known.docker, ...(known.engines ?? [])].find((fact) => fact?.endpoint === endpoint);
  if (last?.api.state === 'seen' && distrust === undefined && engine.ok && runtime.isHeld?.() === true)
    return whileAway(host, last);
  // The engine says what it is when it answers.
  const { name } = runtime;
  if (name !== 'docker' || isOfUser) return inspectOther(access, engine, distrust);
  const processes = await readDockerProcesses(access, endpoint);
  const file = await readConfig(host, processes.daemon, endpoint);
  const isThere = engine.ok || engine.code === 'malformed';
  const unusable = isThere ? distrust : await runtimeUnseen(access, endpoint, engine);
  const present =
    unusable === undefined || isThere ? seen(true, endpoint) : presence(unusable, processes.daemon, endpoint);
  const common = { present, runtime: name, endpoint, file };
  if (!engine.ok || unusable !== undefined) {
    const silent = unusable ?? unreadable(engine.source, engine.ok ? '' : engine.reason);
    const { daemon, proxies } = processes;
    const hidden = {
      api: silent,
      bridgeInterContainer: silent,
      seccompFile: silent,
      package: silent,
      images: silent,
      swarm: silent,
      swarmPorts: silent,
    };
    const { flags } = daemon.state === 'seen' ? daemon.value : NO_FLAGS;
    const beside = {
      storage: await readStorage(access, undefined, flags),
      socketAccess: await readSocketAccess(host, endpoint),
      contentTrust: await readContentTrust(host),
    };
    return { ...common, ...hidden, ...beside, process: daemon, userlandProxies: proxies };
  }
  const { api, bridgeInterContainer, images, swarm } = engine.value;
  const seccompFile = await readSeccompFile(host, api, engine.source);
  const needsPackage = api.authorizationPlugins.length > 0 || lacksFixes(api.version);
  const installed = needsPackage
    ? await readPackage(access, processes.daemon)
    : absent('GET /info Plugins.Authorization');
  const { flags } = processes.daemon.state === 'seen' ? processes.daemon.value : NO_FLAGS;
  const read = {
    bridgeInterContainer,
    seccompFile,
    images,
    swarm,
    swarmPorts: await readSwarmPorts(access, api, processes.daemon),
    package: installed,
    storage: await readStorage(access, api, flags),
    socketAccess: await readSocketAccess(host, endpoint),
    contentTrust: await readContentTrust(host),
  };
  return { ...common, api: seen(api, engine.source), ...visible(processes), ...read };
}

/**
 * An engine that is started again and whose containers run: what it said, and what its process and socket showed, is held
 * as long as its answers are. Files are read as ever.
 */
async function whileAway(host: Host, last: DockerFact): Promise<DockerFact> {
  if (last.runtime !== 'docker') return last;
  const file = await readConfig(host, last.process, last.endpoint);
  return { ...last, file, contentTrust: await readContentTrust(host) };
}

/** An engine without a dockerd of the node: neither its process nor its configuration file is there. */
async function inspectOther(
  access: NodeAccess,
  engine: Reply<EngineInfo>,
  distrust: Observed<never> | undefined,
): Promise<DockerFact> {
  const { name, endpoint } = access.runtime;
  const silent = distrust ?? (engine.ok ? undefined : await runtimeUnseen(access, endpoint, engine));
  const none = absent(`dockerd at ${endpoint}`);
  return {
    present: silent ?? seen(true, endpoint),
    runtime: name,
    endpoint,
    api: engine.ok && silent === undefined ? seen(engine.value.api, engine.source) : (silent ?? none),
    process: none,
    file: none,
    bridgeInterContainer: none,
    seccompFile: none,
    userlandProxies: none,
    package: none,
    storage: [],
    socketAccess: none,
    contentTrust: none,
    images: engine.ok && silent === undefined ? engine.value.images : (silent ?? none),
    swarm: none,
    swarmPorts: none,
  };
}

/** Whoever can replace the socket may answer in the place of dockerd. undefined: only root can. */
export async function socketDistrust(host: Host, endpoint: string): Promise<Observed<never> | undefined> {
  const path = socketPath(endpoint);
  const stat = path === undefined ? undefined : await statTrusted(host, path);
  if (stat === undefined || stat.ok || stat.code === 'absent' || stat.code === 'notRecorded') return undefined;
  return unreadable(endpoint, `this socket is not the node's: ${stat.reason}`);
}

/** A daemon that answers has a process: where none is found, it is hidden from us, and so are its proxies. */
function visible({ daemon, proxies }: DockerProcesses): Pick<DockerFact, 'process' | 'userlandProxies'> {
  if (daemon.state !== 'absent') return { process: daemon, userlandProxies: proxies };
  const hidden = 'dockerd answers, but its process is not visible here (pid namespace, hidepid)';
  return { process: unreadable(daemon.source, hidden), userlandProxies: unreadable(proxies.source, hidden) };
}

/** Nobody answered: is there no Docker, or could it not be asked? */
function presence(silent: Observed<never>, daemon: Observed<DockerProcess>, endpoint: string): Observed<boolean> {
  const isThere = daemon.state === 'seen' ? `dockerd runs (pid ${String(daemon.value.pid)}), but ` : '';
  if (silent.state === 'unreadable') return unreadable(endpoint, `${isThere}${silent.reason}`);
  if (daemon.state === 'absent') return absent(endpoint);
  return unreadable(endpoint, daemon.state === 'unreadable' ? daemon.reason : `${isThere}there is no such socket`);
}

/** Profiles that are not files: the built-in one by both of its names, and none. */
const NOT_FILES: ReadonlySet<string> = new Set(['', 'builtin', 'default', 'unconfined']);

/** The profile file of the running daemon: what containers get that declare no profile of their own. */
async function readSeccompFile(host: Host, api: DockerApi, source: string): Promise<Observed<DockerSeccompFile>> {
  const path = api.securityOptions.find(({ name }) => name === 'seccomp')?.options['profile'] ?? '';
  if (NOT_FILES.has(path)) return absent(`${source} SecurityOptions`);
  if (!path.startsWith('/')) return unreadable(`${source} SecurityOptions`, 'the profile has a relative path');
  const read = await readTrusted(host, path, MAX_PROFILE_BYTES);
  if (!read.ok) return unseen(read, path);
  const summary = summarizeProfile(read.value.bytes.toString('utf8'));
  if (summary === null) return unreadable(path, 'it is not a seccomp profile');
  return seen({ modifiedAtMs: read.value.stat.modifiedAtMs, summary }, path);
}

/** Packages with dockerd: of Debian and Ubuntu, of Docker, of Microsoft. */
const PACKAGES = ['docker.io', 'docker-ce', 'moby-engine'];

/** The package of the running dockerd. Distributions fix an engine without a new version of it. */
async function readPackage(access: NodeAccess, daemon: Observed<DockerProcess>): Promise<DockerFact['package']> {
  return daemon.state === 'seen'
    ? readInstalledPackage(access, PACKAGES, daemon.value.executable)
    : unreadable(daemon.source, 'the program of dockerd is not known');
}

async function readConfig(
  host: Host,
  daemon: Observed<DockerProcess>,
  endpoint: string,
): Promise<Observed<DockerFile>> {
  // The usual file may be that of another dockerd.
  if (daemon.state === 'unreadable' && !isDefaultEndpoint(endpoint))
    return unreadable(DEFAULT_CONFIG, `whether the engine at ${endpoint} reads this file is not known`);
  const path = (daemon.state === 'seen' ? daemon.value.flags['config-file']?.at(-1) : undefined) ?? DEFAULT_CONFIG;
  if (!path.startsWith('/')) return unreadable('--config-file', 'a relative path: where it leads is not known');
  const read = await readTrusted(host, path, MAX_CONFIG_BYTES);
  if (!read.ok) return unseen(read, path);
  const { bytes, stat } = read.value;
  const parsed = parseDaemonJson(bytes);
  if (!parsed.ok) return unreadable(path, parsed.problem);
  return seen({ path, modifiedAtMs: stat.modifiedAtMs, keys: parsed.keys }, path);
}
