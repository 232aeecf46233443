import type { ApiRequest } from './api-request.ts';

/** Groups of API calls that a policy allows by name. Calls of no group are always allowed. */
export const OPERATIONS = Object.freeze({
  attach: 'attach to the streams of a container',
  build: 'build images; a build runs commands of its own, also with the network of the host',
  checkpoint: 'write and restore checkpoints of containers, in directories of the host',
  commit: 'create an image from a container',
  copy: 'copy files into a container',
  exec: 'run commands in containers',
  import: 'load and import images that no registry vouches for',
  plugins: 'install and change plugins, which run with privileges on the host',
  secrets: 'create, change and delete secrets and configs of a swarm',
  services: 'create, change and delete services of a swarm; other nodes run their containers without being asked',
  swarm: 'create, join, leave and change a swarm and its nodes',
} as const satisfies Readonly<Record<string, string>>);

/** One of {@link OPERATIONS}. */
export type Operation = keyof typeof OPERATIONS;

/** What of a request is judged besides the operation. */
export type Content = 'connect' | 'container' | 'exec' | 'network' | 'pull' | 'service' | 'start' | 'update' | 'volume';

/** One route of the API. */
export interface Route {
  /** `POST /containers/{name}/exec`; for logs, and without anything that the client chose. */
  readonly name: string;
  /** Changes nothing. */
  readonly isRead: boolean;
  readonly operation?: Operation;
  readonly judges?: Content;
}

type Row = readonly [method: string, path: string, operation?: Operation | undefined, judges?: Content];

/**
 * Every route of moby from 19.03 to 29 (its folders `router/*`). `{name}` matches one or more segments, as
 * `{name:.*}` there. A request that no route matches is refused.
 */
const TABLE: readonly Row[] = [
  ['GET', '_ping'],
  ['HEAD', '_ping'],
  ['GET', 'version'],
  ['GET', 'info'],
  ['GET', 'events'],
  ['GET', 'system/df'],
  ['POST', 'auth'],
  ['GET', 'containers/json'],
  ['GET', 'containers/{name}/json'],
  ['GET', 'containers/{name}/changes'],
  ['GET', 'containers/{name}/top'],
  ['GET', 'containers/{name}/logs'],
  ['GET', 'containers/{name}/stats'],
  ['GET', 'containers/{name}/export'],
  ['GET', 'containers/{name}/archive'],
  ['HEAD', 'containers/{name}/archive'],
  ['GET', 'containers/{name}/attach/ws', 'attach'],
  ['GET', 'containers/{name}/checkpoints'],
  ['GET', 'exec/{name}/json'],
  ['POST', 'containers/create', undefined, 'container'],
  ['POST', 'containers/prune'],
  ['POST', 'containers/{name}/kill'],
  ['POST', 'containers/{name}/pause'],
  ['POST', 'containers/{name}/unpause'],
  ['POST', 'containers/{name}/restart'],
  ['POST', 'containers/{name}/start', undefined, 'start'],
  ['POST', 'containers/{name}/stop'],
  ['POST', 'containers/{name}/wait'],
  ['POST', 'containers/{name}/resize'],
  ['POST', 'containers/{name}/rename'],
  ['POST', 'containers/{name}/update', undefined, 'update'],
  ['POST', 'containers/{name}/attach', 'attach'],
  ['POST', 'containers/{name}/exec', 'exec', 'exec'],
  ['POST', 'containers/{name}/copy'],
  ['POST', 'containers/{name}/checkpoints', 'checkpoint'],
  ['DELETE', 'containers/{name}/checkpoints/{name}', 'checkpoint'],
  ['PUT', 'containers/{name}/archive', 'copy'],
  ['DELETE', 'containers/{name}'],
  ['POST', 'exec/{name}/start', 'exec'],
  ['POST', 'exec/{name}/resize'],
  ['POST', 'commit', 'commit'],
  ['GET', 'images/json'],
  ['GET', 'images/search'],
  ['GET', 'images/get'],
  ['GET', 'images/{name}/get'],
  ['GET', 'images/{name}/history'],
  ['GET', 'images/{name}/json'],
  ['GET', 'images/{name}/attestations'],
  ['GET', 'distribution/{name}/json'],
  ['POST', 'images/create', undefined, 'pull'],
  ['POST', 'images/load', 'import'],
  ['POST', 'images/prune'],
  ['POST', 'images/{name}/push'],
  ['POST', 'images/{name}/tag'],
  ['DELETE', 'images/{name}'],
  ['POST', 'build', 'build'],
  ['POST', 'build/prune'],
  ['POST', 'build/cancel'],
  ['POST', 'session', 'build'],
  ['POST', 'grpc', 'build'],
  ['GET', 'volumes'],
  ['GET', 'volumes/{name}'],
  ['POST', 'volumes/create', undefined, 'volume'],
  ['POST', 'volumes/prune'],
  ['PUT', 'volumes/{name}', 'services'],
  ['DELETE', 'volumes/{name}'],
  ['GET', 'networks'],
  ['GET', 'networks/{name}'],
  ['POST', 'networks/create', undefined, 'network'],
  ['POST', 'networks/prune'],
  ['POST', 'networks/{name}/connect', undefined, 'connect'],
  ['POST', 'networks/{name}/disconnect'],
  ['DELETE', 'networks/{name}'],
  ['GET', 'plugins'],
  ['GET', 'plugins/{name}/json'],
  ['GET', 'plugins/privileges', 'plugins'],
  ['POST', 'plugins/pull', 'plugins'],
  ['POST', 'plugins/create', 'plugins'],
  ['POST', 'plugins/{name}/enable', 'plugins'],
  ['POST', 'plugins/{name}/disable', 'plugins'],
  ['POST', 'plugins/{name}/push', 'plugins'],
  ['POST', 'plugins/{name}/upgrade', 'plugins'],
  ['POST', 'plugins/{name}/set', 'plugins'],
  ['DELETE', 'plugins/{name}', 'plugins'],
  ['GET', 'swarm'],
  ['GET', 'swarm/unlockkey', 'swarm'],
  ['POST', 'swarm/init', 'swarm'],
  ['POST', 'swarm/join', 'swarm'],
  ['POST', 'swarm/leave', 'swarm'],
  ['POST', 'swarm/update', 'swarm'],
  ['POST', 'swarm/unlock', 'swarm'],
  ['GET', 'nodes'],
  ['GET', 'nodes/{name}'],
  ['POST', 'nodes/{name}/update', 'swarm'],
  ['DELETE', 'nodes/{name}', 'swarm'],
  ['GET', 'tasks'],
  ['GET', 'tasks/{name}'],
  ['GET', 'tasks/{name}/logs'],
  ['GET', 'services'],
  ['GET', 'services/{name}'],
  ['GET', 'services/{name}/logs'],
  ['POST', 'services/create', 'services', 'service'],
  ['POST', 'services/{name}/update', 'services', 'service'],
  ['DELETE', 'services/{name}', 'services'],
  ['GET', 'secrets'],
  ['GET', 'secrets/{name}'],
  ['POST', 'secrets/create', 'secrets'],
  ['POST', 'secrets/{name}/update', 'secrets'],
  ['DELETE', 'secrets/{name}', 'secrets'],
  ['GET', 'configs'],
  ['GET', 'configs/{name}'],
  ['POST', 'configs/create', 'secrets'],
  ['POST', 'configs/{name}/update', 'secrets'],
  ['DELETE', 'configs/{name}', 'secrets'],
];

interface CompiledRow {
  readonly method: string;
  readonly pattern: RegExp;
  readonly route: Route;
}

const ROUTES: readonly CompiledRow[] = TABLE.map(([method, path, operation, judges]) => ({
  method,
  // A segment cannot hold a slash: in the text below they are separated by line feeds, which no path holds.
  pattern: new RegExp(`^${path.split('/').join('\n').replaceAll('{name}', '[^]+')}$`),
  route: {
    name: `${method} /${path}`,
    isRead: method === 'GET' || method === 'HEAD',
    ...(operation === undefined ? {} : { operation }),
    ...(judges === undefined ? {} : { judges }),
  },
}));

/**
 * The routes that match a request; empty: none is known. Several only where a name looks like a further path: which of
 * them dockerd takes depends on its order, so each must be allowed.
 */
export function routesOf({ method, segments }: ApiRequest): readonly Route[] {
  const path = segments.join('\n');
  return ROUTES.filter((row) => row.method === method && row.pattern.test(path)).map(({ route }) => route);
}
