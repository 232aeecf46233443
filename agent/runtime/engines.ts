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

/** What engines are found with. */
export interface FindEnginesOptions {
  /** Endpoints that a person named, the first one first. */
  readonly named: readonly string[];
  readonly access: CachedHost;
  readonly open: (endpoint: string) => ContainerRuntime;
}

/** More than that are not asked. */
const MAX_ENGINES = 16;

/**
 * The engines of a node. The first is the one that was named, or else one that a dockerd of the node serves, or else the
 * default. The others are those that were named and those that further dockerd of the node serve at the moment.
 */
export async function findEngines(
  options: FindEnginesOptions,
): Promise<readonly [first: ContainerRuntime, engines: Engines]> {
  const { named, access, open } = options;
  const opened = new Map<string, ContainerRuntime>();
  const runtimeAt = (endpoint: string): ContainerRuntime => {
    const runtime = opened.get(endpoint) ?? open(endpoint);
    opened.set(endpoint, runtime);
    return runtime;
  };
  const first = runtimeAt(named[0] ?? (await servedEndpoints(access))?.[0] ?? DEFAULT_ENDPOINT);
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
