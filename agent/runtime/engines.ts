import type { Host } from '../host/host.ts';
import type { CachedHost } from '../inspector/parse-cache.ts';
import { servedEndpoints } from './docker/served-endpoints.ts';
import { DEFAULT_ENDPOINT } from './docker/engine-address.ts';
import type { ContainerRuntime } from './runtime.ts';

/** The engines of a node beside its first one, `NodeAccess.runtime`. */
export interface Engines {
  /** Endpoints that a person named. That nothing answers there is an error, not the absence of an engine. */
  readonly named: ReadonlySet<string>;
  /** The others as they are now, seen through `host`, sorted by endpoint; the same object for the same endpoint. */
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
  readonly access: CachedHost;
}

/** More than that are not asked. */
const MAX_ENGINES = 16;

/**
 * The engines of a node. The first is the first Docker engine that was named, or else one that a dockerd of the node
 * serves, or else the default. The others are those that were named and those that further dockerd of the node serve at
 * the moment.
 */
export async function findEngines(
  options: FindEnginesOptions,
): Promise<readonly [first: ContainerRuntime, engines: Engines]> {
  const { docker, further, access } = options;
  const named = [...docker.named, ...further.named];
  const isOfAnyKind = new Set(further.named.filter((endpoint) => !docker.named.includes(endpoint)));
  const opened = new Map<string, ContainerRuntime>();
  const runtimeAt = (endpoint: string): ContainerRuntime => {
    const runtime = opened.get(endpoint) ?? (isOfAnyKind.has(endpoint) ? further : docker).open(endpoint);
    opened.set(endpoint, runtime);
    return runtime;
  };
  const first = runtimeAt(docker.named[0] ?? (await servedEndpoints(access))?.[0] ?? DEFAULT_ENDPOINT);
  let others: readonly ContainerRuntime[] = [];
  const find = async (host: Host): Promise<readonly ContainerRuntime[]> => {
    const served = await servedEndpoints({ ...access, host }, new Set([first.endpoint, ...named]));
    // While it cannot be seen which dockerd run, those that were known stay.
    if (served === undefined) return others;
    const endpoints = [...new Set([...named, ...served])].filter((endpoint) => endpoint !== first.endpoint);
    others = endpoints.slice(0, MAX_ENGINES).sort().map(runtimeAt);
    return others;
  };
  return [first, { named: new Set(named), others: (host) => access.cache.memoizeFor('engines', () => find(host)) }];
}
