import { findingContent } from './finding.ts';
import type { Finding } from './finding.ts';

/**
 * A digest of a node's findings that both ends can keep up to date change by change: the sum, modulo 2^53, of one hash
 * a finding. Order does not matter. It finds divergence by accident (a lost message, a damaged row); it is no defence
 * against someone who forges findings, which is what mutual TLS is for.
 */
export const EMPTY_DIGEST = 0;

/** 2^53: sums stay exact in a double and in an SQLite integer. */
const MODULUS = 2 ** 53;

/** A 53-bit hash of all that the finding says. */
export function findingHash(finding: Finding): number {
  return hashOfContent(findingContent(finding));
}

/** The hash of a finding's content (`findingContent`). Two murmur3-style lanes over UTF-16 units. */
export function hashOfContent(text: string): number {
  let low = 0x9e3779b9 ^ text.length;
  let high = 0x85ebca6b ^ text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x9e3779b1);
    high = Math.imul(high ^ unit, 0x5f356495);
  }
  return finished(low, high);
}

function finished(one: number, other: number): number {
  const low = Math.imul(one ^ (one >>> 16), 0x85ebca6b) ^ Math.imul(other ^ (other >>> 13), 0xc2b2ae35);
  const high = Math.imul(other ^ (other >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}

/**
 * As `hashOfContent`, of a content that is ASCII and stands in `bytes` in pieces: start and end of each, one piece after
 * the other.
 */
export function hashOfPieces(bytes: Uint8Array, pieces: Int32Array): number {
  let length = 0;
  for (let piece = 0; piece < pieces.length; piece += 2) length += (pieces[piece + 1] ?? 0) - (pieces[piece] ?? 0);
  let low = 0x9e3779b9 ^ length;
  let high = 0x85ebca6b ^ length;
  for (let piece = 0; piece < pieces.length; piece += 2) {
    const end = pieces[piece + 1] ?? 0;
    for (let at = pieces[piece] ?? 0; at < end; at += 1) {
      const unit = bytes[at] ?? 0;
      low = Math.imul(low ^ unit, 0x9e3779b1);
      high = Math.imul(high ^ unit, 0x5f356495);
    }
  }
  return finished(low, high);
}

/** The digest after a finding with this hash came in. */
export function addToDigest(digest: number, hash: number): number {
  const sum = digest - MODULUS + hash;
  return sum < 0 ? sum + MODULUS : sum;
}

/** The digest after a finding with this hash went. */
export function removeFromDigest(digest: number, hash: number): number {
  const difference = digest - hash;
  return difference < 0 ? difference + MODULUS : difference;
}

/** The digest of a whole set. */
export function digestOf(findings: Iterable<Finding>): number {
  let digest = EMPTY_DIGEST;
  for (const finding of findings) digest = addToDigest(digest, findingHash(finding));
  return digest;
}
