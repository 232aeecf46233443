import { join } from 'node:path';
import { absent, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { Host } from '../host/host.ts';
import type { ReplyFailure } from '../runtime/runtime.ts';

/**
 * What it means that the runtime could not be asked: absent where there is not even a socket, so no runtime; unreadable
 * where there is one and nobody listens, or not to us: containers may well run. So it is where a person named the
 * endpoint: what was asked for could not be looked at.
 */
export async function runtimeUnseen(
  { host, engines }: { readonly host: Host; readonly engines: { readonly named: ReadonlySet<string> } },
  endpoint: string,
  failure: ReplyFailure,
): Promise<Observed<never>> {
  if (failure.code !== 'absent' || engines.named.has(endpoint)) return unreadable(endpoint, failure.reason);
  const socket = await host.stat(socketPath(endpoint) ?? '/');
  return socket.ok || socket.code !== 'absent' ? unreadable(endpoint, failure.reason) : absent(endpoint);
}

/** `/var/run/docker.sock` of `unix:///var/run/docker.sock`; undefined for an endpoint of another kind. */
export function socketPath(endpoint: string): string | undefined {
  return endpoint.startsWith('unix:///') ? endpoint.slice('unix://'.length) : undefined;
}

/** Under another root the socket is where its path, links resolved inside that root, is seen from here. */
export function socketUnder(hostRoot: string, endpoint: string, host: Host): (() => Promise<string>) | undefined {
  const path = socketPath(endpoint);
  if (hostRoot === '/' || path === undefined) return undefined;
  return async () => {
    const found = await host.stat(path);
    return join(hostRoot, found.ok ? found.value.realPath : path);
  };
}
