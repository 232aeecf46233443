import { X509Certificate } from 'node:crypto';
import { certificateFor, generateKeyPair } from '../service/tls/issue.ts';
import type { Issued } from '../service/tls/issue.ts';

/**
 * The authority that signs the certificates of the webhook, as a Secret holds it. While it is replaced there are two:
 * the API server trusts both, then the webhook presents a certificate of the next one, then the next one is
 * the only one.
 */
export interface WebhookAuthority {
  readonly current: Issued;
  readonly next?: Issued & { readonly sinceMs: number };
}

const DAY_MS = 86_400_000;
const AUTHORITY_MS = 2 * 365 * DAY_MS;
const LEAF_MS = 90 * DAY_MS;
/** What is left of the time of an authority when the next one is made: longer than a leaf lasts. */
const REPLACE_AUTHORITY_MS = 180 * DAY_MS;
/** A leaf is made anew when a third of its time is left. */
const RENEW_LEAF_MS = 30 * DAY_MS;
/** From the next authority being trusted to certificates of it, and from there to it being the only one. */
export const OVERLAP_MS = 3_600_000;

/** A new authority; valid two years. */
export async function makeAuthority(nowMs: number): Promise<Issued> {
  const { keys, keyPem } = await generateKeyPair();
  const source = { publicKey: keys.publicKey, issuer: keys.privateKey, nowMs, validityMs: AUTHORITY_MS };
  return { certificatePem: await certificateFor({ kind: 'authority' }, source), keyPem };
}

/** What must be done to the authority now: nothing, or what it becomes. */
export async function nextAuthority(
  authority: WebhookAuthority | undefined,
  nowMs: number,
): Promise<WebhookAuthority | undefined> {
  if (authority === undefined) return { current: await makeAuthority(nowMs) };
  const { current, next } = authority;
  if (next !== undefined) {
    const { sinceMs, ...issued } = next;
    return nowMs >= sinceMs + 2 * OVERLAP_MS ? { current: issued } : undefined;
  }
  const endMs = Date.parse(new X509Certificate(current.certificatePem).validTo);
  if (endMs - nowMs > REPLACE_AUTHORITY_MS) return undefined;
  return { current, next: { ...(await makeAuthority(nowMs)), sinceMs: nowMs } };
}

/** The certificates that the API server has to trust, in PEM. */
export function trustBundle({ current, next }: WebhookAuthority): string {
  return `${current.certificatePem.trim()}\n${next === undefined ? '' : `${next.certificatePem.trim()}\n`}`;
}

/** The authority whose certificates are presented now. */
export function signingAuthority({ current, next }: WebhookAuthority, nowMs: number): Issued {
  return next !== undefined && nowMs >= next.sinceMs + OVERLAP_MS ? next : current;
}

/** `leaf`, or another one where it was not signed by `authority` or ends soon. Valid 90 days. */
export async function ensureLeaf(
  leaf: Issued | undefined,
  authority: Issued,
  { names, nowMs }: { readonly names: readonly string[]; readonly nowMs: number },
): Promise<Issued> {
  if (leaf !== undefined) {
    const certificate = new X509Certificate(leaf.certificatePem);
    const isOwn = certificate.verify(new X509Certificate(authority.certificatePem).publicKey);
    if (isOwn && Date.parse(certificate.validTo) - nowMs > RENEW_LEAF_MS) return leaf;
  }
  const { keys, keyPem } = await generateKeyPair();
  const source = { publicKey: keys.publicKey, issuer: authority, nowMs, validityMs: LEAF_MS };
  return { certificatePem: await certificateFor({ kind: 'server', names, isClient: true }, source), keyPem };
}
