import { createHash, timingSafeEqual } from 'node:crypto';

/** SHA-256 of a text. */
export function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Whether a text is `secret`, in the same time whatever was sent: two SHA-256 digests are compared in constant
 * time, so that neither length nor a common beginning shows.
 */
export function secretMatcher(secret: string): (presented: string) => boolean {
  const expected = digest(secret);
  return (presented) => timingSafeEqual(digest(presented), expected);
}
