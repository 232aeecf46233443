import { matchesWildcard } from '../../../posture/check/ssh/wildcard.ts';
import { MAX_INT, parseWhole } from './numbers.ts';

/** An IP address as a number. */
export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A network of addresses. */
export interface Network extends Address {
  readonly prefixLength: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** A numeric address as getaddrinfo(3) reads it: also `10.1`, `0x7f.1`; undefined if the text is not an address. */
export function parseAddress(text: string): Address | undefined {
  const value = text.includes(':') ? parseV6(text) : parseV4(text);
  return value === undefined ? undefined : { family: text.includes(':') ? 6 : 4, value };
}

/** inet_aton(3): one to four numbers, decimal, octal (`010`) or hexadecimal; the last fills what is left. */
function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  let value = 0n;
  for (const [index, part] of parts.entries()) {
    if (!/^(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.test(part) || part.length > 20) return undefined;
    const number = BigInt(/^0\d/.test(part) ? `0o${part.slice(1)}` : part);
    const bytes = index === parts.length - 1 ? 4 - index : 1;
    if (number >= 256n ** BigInt(bytes)) return undefined;
    value = value * 256n ** BigInt(bytes) + number;
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  const dotted = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (dotted !== null) {
    const [, head = '', ...octets] = dotted;
    const [a = 256, b = 256, c = 256, d = 256] = octets.map((octet) =>
      octet.length > 1 && octet.startsWith('0') ? 256 : Number(octet),
    );
    if (Math.max(a, b, c, d) > 255) return undefined;
    return parseV6(`${head}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [left = [], right] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - left.length - (right?.length ?? 0);
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = right === undefined ? left : [...left, ...Array.from({ length: missing }, () => '0'), ...right];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => value * 65_536n + BigInt(`0x${group}`), 0n);
}

/** The text of an address, as getnameinfo(3) writes it. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
  if (value >> 32n === 0xffffn) return `::ffff:${formatAddress({ family: 4, value: value & 0xffffffffn })}`;
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  // The first of the longest runs of two or more zero groups becomes `::`.
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)];
  const longest = runs.reduce((best, [run]) => (run.length > best.length ? run : best), '');
  if (longest === '') return groups.join(':');
  const text = groups.join(':');
  const at = runs.find(([run]) => run === longest)?.index ?? 0;
  return `${text.slice(0, at).replace(/:$/, '')}::${text.slice(at + longest.length).replace(/^:/, '')}`;
}

/** `10.0.0.0/8` or an address. `notNetwork`: a pattern, perhaps; `inconsistent`: bits beyond the mask, or no such mask. */
export function parseNetwork(text: string): Network | 'notNetwork' | 'inconsistent' {
  if (text.length > 63) return 'notNetwork';
  const slash = text.indexOf('/');
  const length = slash === -1 ? undefined : parseWhole(text.slice(slash + 1), 0, MAX_INT);
  if (slash !== -1 && length === undefined) return 'notNetwork';
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === undefined) return 'notNetwork';
  const bits = BITS[address.family];
  const prefixLength = length ?? bits;
  if (prefixLength > bits || address.value % 2n ** BigInt(bits - prefixLength) !== 0n) return 'inconsistent';
  return { ...address, prefixLength };
}

/** First and last address of a network. */
export function boundsOf({ family, value, prefixLength }: Network): { readonly first: bigint; readonly last: bigint } {
  return { first: value, last: value + 2n ** BigInt(BITS[family] - prefixLength) - 1n };
}

/** Is there such an address? */
export function isAddress({ family, value }: Address): boolean {
  return value >= 0n && value < 2n ** BigInt(BITS[family]);
}

/** Does sshd take the list of networks and patterns for one of addresses? Not with empty entries or wrong networks. */
export function isAddressList(list: string): boolean {
  return list.split(',').every((entry) => {
    const bare = entry.startsWith('!') ? entry.slice(1) : entry;
    return bare !== '' && parseNetwork(bare) !== 'inconsistent';
  });
}

/** Does the address match a list of networks and patterns? An entry with `!` before it that matches refuses. */
export function matchesAddressList(list: string, address: Address): boolean {
  const text = formatAddress(address);
  let matches = false;
  for (const entry of list.split(',')) {
    const isNegated = entry.startsWith('!');
    if (!matchesEntry(isNegated ? entry.slice(1) : entry, address, text)) continue;
    if (isNegated) return false;
    matches = true;
  }
  return matches;
}

function matchesEntry(entry: string, address: Address, text: string): boolean {
  const network = parseNetwork(entry);
  if (typeof network === 'string') return matchesWildcard(entry, text);
  const { first, last } = boundsOf(network);
  return network.family === address.family && address.value >= first && address.value <= last;
}
