/**
 * Addresses of the node in `/proc/PID/net/fib_trie` that are routed on the internet. The kernel prints the trie of each
 * table; a leaf is followed by its routes:
 *
 *     |-- 192.0.2.7
 *        /32 host LOCAL
 */
export function publicIpv4(text: string): readonly string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\n\s+\/32 host LOCAL/g))
    if (match[1] !== undefined && isPublicIpv4(match[1])) found.add(match[1]);
  return [...found];
}

/** `/proc/PID/net/if_inet6`: 32 hexadecimal digits, then interface index, prefix length, scope, flags, name. */
export function publicIpv6(text: string): readonly string[] {
  const found = new Set<string>();
  for (const line of text.split('\n')) {
    const digits = /^([\da-f]{32}) /.exec(line)?.[1];
    // 2000::/3 is all that was assigned so far (RFC 4291); 2001:db8::/32 is for documentation.
    if (digits === undefined || !/^[23]/.test(digits) || digits.startsWith('20010db8')) continue;
    found.add((digits.match(/.{4}/g) ?? []).join(':'));
  }
  return [...found];
}

/** Not one of the special blocks of RFC 6890 (private, shared, loopback, link-local, documentation, multicast). */
export function isPublicIpv4(address: string): boolean {
  const [a = 0, b = 0, c = 0] = address.split('.').map(Number);
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false;
  if ((a === 100 && b >= 64 && b < 128) || (a === 169 && b === 254) || (a === 172 && b >= 16 && b < 32)) return false;
  if (a === 192 && (b === 168 || (b === 0 && (c === 0 || c === 2)))) return false;
  return !((a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) || (a === 203 && b === 0 && c === 113));
}
