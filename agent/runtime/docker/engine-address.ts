/** What a client needs for TLS with a client certificate, PEM. */
export interface EngineTls {
  /** The only authority that is trusted. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Where an engine is reached. */
export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  /** Without `tls` it is spoken to in plain HTTP. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: EngineTls | undefined };

/** Where dockerd listens by default. */
export const DEFAULT_ENDPOINT = 'unix:///var/run/docker.sock';

/** Is it the usual place? /var/run is /run on every current distribution. */
export function isDefaultEndpoint(endpoint: string): boolean {
  return endpoint === DEFAULT_ENDPOINT || endpoint === 'unix:///run/docker.sock';
}

/** Ports without and with TLS, docs.docker.com/reference/cli/dockerd. */
const PLAIN_PORT = 2375;
const TLS_PORT = 2376;

/**
 * An endpoint as Docker writes it: `unix:///path` or `tcp://host:port` (`[::1]` for IPv6). With `tls` the port is 2376
 * unless one is given. undefined for anything else.
 */
export function parseEndpoint(endpoint: string, tls?: EngineTls): EngineAddress | undefined {
  if (/^unix:\/\/\/[^\0]{1,4000}$/.test(endpoint)) return { kind: 'unix', path: endpoint.slice('unix://'.length) };
  const match = /^tcp:\/\/(?:\[([\da-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?\/?$/.exec(endpoint);
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) return undefined;
  const port = match[3] === undefined ? (tls === undefined ? PLAIN_PORT : TLS_PORT) : Number(match[3]);
  return port > 0 && port <= 65_535 ? { kind: 'tcp', host, port, tls } : undefined;
}
