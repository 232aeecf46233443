import { X509Certificate } from 'node:crypto';
import { TlsError } from './tls-error.ts';

/** A node as a certificate names it. */
export interface NodeName {
  /** Unique in the fleet. */
  readonly nodeId: string;
  /** The Kubernetes cluster that confirmed the node; empty: the node joined as a host. */
  readonly clusterId: string;
  /** The name that the cluster has for the node; empty for a host. */
  readonly nodeName: string;
}

/** Which node a certificate names and for which time (milliseconds since 1970), or why it names none. */
export type NodeIdentity =
  | ({ readonly ok: true; readonly validFromMs: number; readonly validToMs: number } & NodeName)
  | { readonly ok: false; readonly problem: string };

const TRUST_DOMAIN = 'spiffe://plimsoll.local';
/** Segments are those of a SPIFFE path (SPIFFE-ID, 2.2). */
const HOST_URI = /^URI:spiffe:\/\/plimsoll\.local\/host\/([A-Za-z0-9._-]{1,200})$/;
const CLUSTER_URI = /^URI:spiffe:\/\/plimsoll\.local\/cluster\/([A-Za-z0-9._-]{1,200})\/node\/([A-Za-z0-9._-]{1,200})$/;
/** A DNS subdomain (RFC 1123), as names of Kubernetes nodes are. */
const NODE_NAME = /^DNS:([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/;

/** Can this be the id of a node: a SPIFFE path segment (SPIFFE-ID, section 2.2) of at most 200 characters? */
export function isNodeId(id: string): boolean {
  return /^[A-Za-z0-9._-]{1,200}$/.test(id) && id !== '.' && id !== '..';
}

/** Does this id have the form of the uid of a Kubernetes object (RFC 9562)? Hosts with join tokens cannot have such ids. */
export function isNodeUid(id: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
}

/**
 * The identity of a node in its certificate: `spiffe://plimsoll.local/host/<id>`, or
 * `spiffe://plimsoll.local/cluster/<cluster>/node/<uid>`. Throws {@link TlsError} `name`.
 */
export function nodeUri({ nodeId, clusterId }: Pick<NodeName, 'nodeId' | 'clusterId'>): string {
  for (const id of clusterId === '' ? [nodeId] : [clusterId, nodeId])
    if (!isNodeId(id)) throw new TlsError('name', `${JSON.stringify(id.slice(0, 80))} is not a valid id of a node`);
  return clusterId === '' ? `${TRUST_DOMAIN}/host/${nodeId}` : `${TRUST_DOMAIN}/cluster/${clusterId}/node/${nodeId}`;
}

/**
 * The node that a verified client certificate (DER) names: its one URI SAN. Whether the certificate may be believed was
 * decided by TLS before; nothing that the peer says is looked at.
 */
export function nodeIdentity(raw: Uint8Array | undefined): NodeIdentity {
  if (raw === undefined) return no('there is no verified client certificate');
  const certificate = new X509Certificate(raw);
  if (certificate.ca) return no('this is the certificate of an authority');
  const names = certificate.subjectAltName ?? '';
  // Node quotes a name that holds a separator: it cannot be one of ours, and could look like two.
  if (names.includes('"')) return no('a name in the certificate has characters that no node id has');
  const list = names.split(', ');
  const uris = list.filter((name) => name.startsWith('URI:'));
  if (uris.length !== 1) return no(`the certificate has ${String(uris.length)} URI names, not one`);
  const named = nameOf(uris[0] ?? '', list);
  if (named === undefined) return no('the URI name of the certificate is no node');
  return {
    ok: true,
    ...named,
    validFromMs: Date.parse(certificate.validFrom),
    validToMs: Date.parse(certificate.validTo),
  };
}

function nameOf(uri: string, names: readonly string[]): NodeName | undefined {
  const [, hostId] = HOST_URI.exec(uri) ?? [];
  if (hostId !== undefined) return isNodeId(hostId) ? { nodeId: hostId, clusterId: '', nodeName: '' } : undefined;
  const [, clusterId, nodeId] = CLUSTER_URI.exec(uri) ?? [];
  if (clusterId === undefined || nodeId === undefined || !isNodeId(clusterId) || !isNodeUid(nodeId)) return undefined;
  const nodeNames = names.flatMap((name) => NODE_NAME.exec(name)?.[1] ?? []);
  return nodeNames.length === 1 ? { nodeId, clusterId, nodeName: nodeNames[0] ?? '' } : undefined;
}

function no(problem: string): NodeIdentity {
  return { ok: false, problem };
}
