import { X509Certificate } from 'node:crypto';

/** Which node a certificate names and for which time (milliseconds since 1970), or why it names none. */
export type NodeIdentity =
  | { readonly ok: true; readonly nodeId: string; readonly validFromMs: number; readonly validToMs: number }
  | { readonly ok: false; readonly problem: string };

/** The characters of a SPIFFE path segment (SPIFFE-ID, 2.2). */
const NODE_URI = /^URI:spiffe:\/\/plimsoll\.local\/host\/([A-Za-z0-9._-]{1,200})$/;

/**
 * The node that a verified client certificate (DER) names: its one URI SAN `spiffe://plimsoll.local/host/<id>`. Whether
 * the certificate may be believed was decided by TLS before; nothing that the peer says is looked at.
 */
export function nodeIdentity(raw: Uint8Array | undefined): NodeIdentity {
  if (raw === undefined) return no('there is no verified client certificate');
  const certificate = new X509Certificate(raw);
  if (certificate.ca) return no('this is the certificate of an authority');
  const names = certificate.subjectAltName ?? '';
  // Node quotes a name that holds a separator: it cannot be one of ours, and could look like two.
  if (names.includes('"')) return no('a name in the certificate has characters that no node id has');
  const uris = names.split(', ').filter((name) => name.startsWith('URI:'));
  if (uris.length !== 1) return no(`the certificate has ${String(uris.length)} URI names, not one`);
  const nodeId = NODE_URI.exec(uris[0] ?? '')?.[1];
  if (nodeId === undefined || nodeId === '.' || nodeId === '..')
    return no('the URI name of the certificate is no node');
  return {
    ok: true,
    nodeId,
    validFromMs: Date.parse(certificate.validFrom),
    validToMs: Date.parse(certificate.validTo),
  };
}

function no(problem: string): NodeIdentity {
  return { ok: false, problem };
}
