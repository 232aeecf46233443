import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { KernelFact } from '../../../posture/fact/kernel.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { outsideOfNode, readNodeNamespaces } from '../proc/node-namespaces.ts';
import { unseen } from '../read-text.ts';

const DIRECTORY = '/proc/sys/net/ipv4/conf';
/** A node has two interfaces for each pod: more than these are not a node's. */
const MAX_INTERFACES = 8192;
const MAX_NAMED = 64;
/** What counts for every interface, and what a new one gets. */
const ALWAYS: readonly string[] = ['default', 'all'];

/** The interfaces with `route_localnet`: the kernel takes it as on where `all` or the interface has it (ip-sysctl.rst). */
export async function readRouteLocalnet(host: Host): Promise<KernelFact['routeLocalnet']> {
  const outside = await outsideOfNode(host, await readNodeNamespaces(host), 'net');
  if (outside !== undefined) return unreadable(DIRECTORY, outside);
  const listed = await host.list(DIRECTORY, { maxEntries: MAX_INTERFACES });
  if (!listed.ok) return listed.code === 'absent' ? absent(DIRECTORY) : unseen(listed, DIRECTORY);
  const paths = listed.value.map((name) => `${DIRECTORY}/${name}/route_localnet`);
  const read = await host.readMany(paths.map((path) => ({ op: 'readFile', path, maxBytes: 64 })));
  const on: string[] = [];
  for (const [index, name] of listed.value.entries()) {
    const result = read[index];
    // An interface that went meanwhile; these two are always there.
    if (result === undefined || (!result.ok && result.code === 'absent' && !ALWAYS.includes(name))) continue;
    if (!result.ok) return unreadable(paths[index] ?? DIRECTORY, result.reason);
    if (String(result.value).trim() !== '0') on.push(name);
  }
  // The list is bounded, so settings of several interfaces come first.
  on.sort((one, other) => ALWAYS.indexOf(other) - ALWAYS.indexOf(one));
  return seen(
    on.slice(0, MAX_NAMED).map((name) => clip(name, 64)),
    DIRECTORY,
  );
}
