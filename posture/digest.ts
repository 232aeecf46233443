import { findingContent } from './finding.ts';
import type { Finding } from './finding.ts';

/**
 * A digest of a node's findings that both sides update change by change: the sum, modulo 2^53, of one hash per finding.
 * Order does not matter. It detects accidental divergence (a lost message, a damaged row). It does not protect against
 * forged findings; mutual TLS does.
 */
export const EMPTY_DIGEST = 0;

/** 2^53: sums stay exact in a double and in an SQLite integer. */
const MODULUS = 2 ** 53;

/** A 53-bit hash of all that the finding says. */
export function findingHash(finding: Finding): number {
  return hashOfContent(findingContent(finding));
}

/**
 * The 53-bit hash of a finding's content (`findingContent`). Of n UTF-16 units, with * modulo 2^32 and unsigned shifts:
 * low = 0x9e3779b9 ^ n and
 * high = 0x85ebca6b ^ n; for each unit u, low = (low ^ u) * 0x9e3779b1 and high = (high ^ u) * 0x5f356495; then
 * first = (low ^ low >> 16) * 0x85ebca6b ^ (high ^ high >> 13) * 0xc2b2ae35 and
 * second = (high ^ high >> 16) * 0x85ebca6b ^ (first ^ first >> 13) * 0xc2b2ae35. The hash is
 * (second >> 11) * 2^32 + first.
 */
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
