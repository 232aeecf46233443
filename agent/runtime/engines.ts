import type { Host } from '../host/host.ts';
import type { CachedHost } from '../inspector/parse-cache.ts';
import { podmanEndpoints } from './docker/podman-endpoints.ts';
import { placeOf, servedEndpoints } from './docker/served-endpoints.ts';
import { DEFAULT_ENDPOINT } from './docker/engine-address.ts';
import type { ContainerRuntime } from './runtime.ts';
import { userEndpoints } from './user-endpoints.ts';
import { userOfEngine } from '../../posture/fact/docker.ts';

/** The engines of a node beside its first one, `NodeAccess.runtime`. */
export interface Engines {
  /** Endpoints that a person named. That nothing answers there is an error, not the absence of an engine. */
  readonly named: ReadonlySet<string>;
  /** The others as they are now, seen through `host`, in an order of their own, rootless ones last; the same object for the same endpoint. */
  readonly others: (host: Host) => Promise<readonly ContainerRuntime[]>;
}

/** Endpoints that a person named, in that order, and how those are opened. */
export interface NamedEndpoints {
  readonly named: readonly string[];
  readonly open: (endpoint: string) => ContainerRuntime;
}

/** What engines are found with. */
export interface FindEnginesOptions {
  /** Endpoints of the Docker API. Those that are found are opened in the same way. */
  readonly docker: NamedEndpoints;
  /** Endpoints of any runtime. */
  readonly further: NamedEndpoints;
  /** Sockets at which daemons of the node may serve the CRI; undefined: the daemons cannot be seen. */
  readonly cri: Pick<NamedEndpoints, 'open'> & {
    readonly find: (access: CachedHost) => Promise<readonly string[] | undefined>;
    /** Whether what answers there says that it does not know the CRI. */
    readonly isRefused: (endpoint: string) => Promise<boolean>;
    /** Must have resolved once before `open` is called. */
    readonly load: () => Promise<void>;
  };
  /** Opens the rootless engine of a user; undefined: those that nobody named are not asked. */
  readonly openOfUser: NamedEndpoints['open'] | undefined;
  readonly access: CachedHost;
}

/** More than that are not asked. */
const MAX_ENGINES = 16;
/** A containerd that serves dockerd alone stays one until it is started again. */
const NOT_SERVED_MS = 60_000;

/**
 * The engines of a node. The first is the first Docker engine that was named, or else one that a dockerd of the node
 * serves, or else the default. The others are those that were named, those that further dockerd and the Podman of root
 * serve at the moment, and those that served the CRI once: while such a daemon is stopped, its containers run on.
 */
export async function findEngines(
  options: FindEnginesOptions,
): Promise<readonly [first: ContainerRuntime, engines: Engines]> {
  const { docker, further, cri, openOfUser, access } = options;
  const named = [...candidatesOf(docker.named, docker), ...candidatesOf(further.named, further)];
  const opened = new Map<string, ContainerRuntime>();
  const runtimeAt = ({ endpoint, open }: Candidate): ContainerRuntime => {
    const runtime = opened.get(endpoint) ?? open(endpoint);
    opened.set(endpoint, runtime);
    return runtime;
  };
  const [usual = DEFAULT_ENDPOINT] = docker.named.length > 0 ? docker.named : ((await servedEndpoints(access)) ?? []);
  const first: Candidate = { endpoint: usual, open: docker.open };
  const asked = [first, ...named];
  const ofPods = new Set<string>();
  /** Sockets at which the CRI is not served, with the time until which they are not asked again. */
  const askedUntilMs = new Map<string, number>();
  let others: readonly ContainerRuntime[] = [];
  const find = async (host: Host): Promise<readonly ContainerRuntime[]> => {
    const round = { ...access, host };
    const dockerd = await servedEndpoints(round, new Set(asked.map(({ endpoint }) => endpoint)));
    const podman = await podmanEndpoints(round);
    const sockets = await cri.find(round);
    // While it cannot be seen which engines run, those that were known stay.
    if (dockerd === undefined || podman === undefined || sockets === undefined) return others;
    for (const candidate of candidatesOf(sockets, cri)) {
      const { endpoint } = candidate;
      if (ofPods.has(endpoint) || (askedUntilMs.get(endpoint) ?? 0) > performance.now()) continue;
      const isRefused = await cri.isRefused(endpoint);
      if (!isRefused) await cri.load();
      if (!isRefused && (await isServed(runtimeAt(candidate)))) ofPods.add(endpoint);
      else askedUntilMs.set(endpoint, performance.now() + NOT_SERVED_MS);
    }
    const found = [
      ...candidatesOf(dockerd, docker),
      ...candidatesOf(podman, docker),
      ...candidatesOf([...ofPods], cri),
    ];
    const ofUsers = openOfUser === undefined ? [] : candidatesOf(await userEndpoints(host), { open: openOfUser });
    const [, ...distinct] = await distinctPlaces(host, [...asked, ...found, ...ofUsers]);
    others = distinct.slice(0, MAX_ENGINES).sort(inOrder).map(runtimeAt);
    return others;
  };
  const engines: Engines = {
    named: new Set(named.map(({ endpoint }) => endpoint)),
    others: (host) => access.cache.memoizeFor('engines', () => find(host)),
  };
  return [runtimeAt(first), engines];
}

/** Where a runtime may be, and how it is opened. */
interface Candidate {
  readonly endpoint: string;
  readonly open: NamedEndpoints['open'];
}

function candidatesOf(endpoints: readonly string[], { open }: Pick<NamedEndpoints, 'open'>): readonly Candidate[] {
  return endpoints.map((endpoint) => ({ endpoint, open }));
}

/** Engines of users come last: what others list before them they cannot claim. */
function inOrder(one: Candidate, other: Candidate): number {
  const byUser = userOfEngine(one.endpoint) - userOfEngine(other.endpoint);
  return byUser === 0 ? (one.endpoint < other.endpoint ? -1 : 1) : byUser;
}

/** The candidates without those that lead to the same socket as one before. */
async function distinctPlaces(host: Host, candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
  const places = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const place = await placeOf(host, candidate.endpoint);
    if (!places.has(place)) places.set(place, candidate);
  }
  return [...places.values()];
}

/** Is the API of the adapter served there? A daemon that does not answer now may do later, and is not left out. */
async function isServed(runtime: ContainerRuntime): Promise<boolean> {
  const reply = await runtime.version();
  return reply.ok || reply.code !== 'malformed';
}
