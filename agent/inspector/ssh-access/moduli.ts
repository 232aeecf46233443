import type { Observed } from '../../../posture/observed.ts';
import type { SshAccessFact } from '../../../posture/fact/ssh-access.ts';

type Moduli = SshAccessFact['moduli'] extends Observed<infer T> ? T : never;

/** From here on a group is strong enough, NIST SP 800-57 part 1: 3072 bits; the file has the size less one. */
const STRONG_BITS = 3071;

/** moduli(5): `timestamp type tests tries size generator modulus`, one a line. */
export function parseModuli(text: string): Moduli {
  let count = 0;
  let weak = 0;
  let smallestBits = 0;
  for (const match of text.matchAll(/^\d+ \d+ \d+ \d+ (\d{1,6}) /gm)) {
    const bits = Number(match[1]);
    count += 1;
    if (bits < STRONG_BITS) weak += 1;
    if (count === 1 || bits < smallestBits) smallestBits = bits;
  }
  return { count, weak, smallestBits };
}
