import type { ContainerFact, Declared } from '../fact/container.ts';

/** One published port: `8080 -> 80/tcp`, and each address of the node that it is bound to. */
interface PublishedPort {
  readonly label: string;
  readonly hostPort: number;
  readonly hostIps: readonly string[];
}

/** Published ports; the engine lists one entry an address family, here they share one entry. Port 0 is not bound yet. */
export function publishedPorts({ ports }: Declared): readonly PublishedPort[] {
  const byLabel = new Map<string, { hostPort: number; hostIps: string[] }>();
  for (const { containerPort, hostIp, hostPort } of ports) {
    if (hostPort === 0) continue;
    const label = `${String(hostPort)} -> ${containerPort}`;
    const known = byLabel.get(label);
    if (known === undefined) byLabel.set(label, { hostPort, hostIps: [hostIp] });
    else if (!known.hostIps.includes(hostIp)) known.hostIps.push(hostIp);
  }
  return [...byLabel].map(([label, { hostPort, hostIps }]) => ({ label, hostPort, hostIps }));
}

/** Does the container use the network of the node, so that it publishes nothing? */
export function usesHostNetwork({ declared, namespaces }: ContainerFact): boolean {
  return declared.networkMode === 'host' || (namespaces.net.state === 'seen' && namespaces.net.value.host);
}
