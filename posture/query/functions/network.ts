import ipaddr from 'ipaddr.js';
import { QueryError } from '../query-error.ts';
import { Cidr, IpAddress } from '../values.ts';
import { define } from './definition.ts';
import type { FunctionDefinition, Implementation } from './definition.ts';

/** An address in the words of Go's `netip.ParseAddr`: no zone, no leading zeros, no IPv4 within IPv6. */
function parseIp(text: string): IpAddress {
  const isV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) && !/(?:^|\.)0\d/.test(text);
  if (isV4 && ipaddr.IPv4.isValid(text)) return new IpAddress(ipaddr.IPv4.parse(text).toByteArray());
  const isV6 = text.length <= 45 && text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text);
  if (!isV6) throw new QueryError(`\`${text.slice(0, 60)}\` is not an IP address`);
  const address = ipaddr.IPv6.parse(text);
  if (address.isIPv4MappedAddress())
    throw new QueryError(`\`${text}\` is an IPv4 address within an IPv6 address: write it as IPv4`);
  return new IpAddress(address.toByteArray());
}

function parseCidr(text: string): Cidr {
  const [, address = '', length = ''] = /^([^/]{1,45})\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  if (address === '') throw new QueryError(`\`${text.slice(0, 60)}\` is not a CIDR block such as 10.0.0.0/8`);
  const ip = parseIp(address);
  if (Number(length) > ip.bytes.length * 8) throw new QueryError(`\`${text}\` has a prefix that is too long`);
  return new Cidr(ip, Number(length));
}

/** The canonical text of an address: RFC 5952. */
export function ipText({ bytes }: IpAddress): string {
  const address = ipaddr.fromByteArray([...bytes]);
  return address.kind() === 'ipv6' ? (address as ipaddr.IPv6).toRFC5952String() : address.toString();
}

/** `10.1.2.3/8`: the address as it was given. */
export function cidrText({ address, prefix }: Cidr): string {
  return `${ipText(address)}/${String(prefix)}`;
}

function masked({ address, prefix }: Cidr): Cidr {
  const bytes = address.bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefix - index * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
  return new Cidr(new IpAddress(bytes), prefix);
}

function containsIp(block: Cidr, address: IpAddress): boolean {
  if (block.address.bytes.length !== address.bytes.length) return false;
  const start = masked(block).address.bytes;
  return masked(new Cidr(address, block.prefix)).address.bytes.every((byte, index) => byte === start[index]);
}

function containsCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix <= inner.prefix && containsIp(outer, inner.address);
}

function isParsed(parse: (text: string) => unknown): Implementation {
  return (text: string) => {
    try {
      parse(text);
      return true;
    } catch {
      return false;
    }
  };
}

/** The name that ipaddr.js gives to the range that an address is in. */
function rangeOf({ bytes }: IpAddress): string {
  return ipaddr.fromByteArray([...bytes]).range();
}

/** IP addresses and blocks of them: the names and meanings of the Kubernetes CEL libraries `ip` and `cidr`. */
export const NETWORK_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'ip',
    { 'ip(string): net.IP': parseIp, 'net.CIDR.ip(): net.IP': ({ address }: Cidr) => address },
    'An IP address; of a block, its address.',
    ['ip("192.168.0.1").family()', '4'],
  ),
  define('isIP', { 'isIP(string): bool': isParsed(parseIp) }, 'Is the text an IP address?', [
    'isIP("10.0.0.256")',
    'false',
  ]),
  define(
    'ip.isCanonical',
    { 'ip.isCanonical(string): bool': (text: string) => ipText(parseIp(text)) === text },
    'Is the address written in its canonical form?',
    ['ip.isCanonical("2001:DB8::1")', 'false'],
  ),
  define(
    'family',
    { 'net.IP.family(): int': ({ bytes }: IpAddress) => (bytes.length === 4 ? 4n : 6n) },
    'The version of the protocol, 4 or 6.',
    ['ip("::1").family()', '6'],
  ),
  define(
    'isLoopback',
    { 'net.IP.isLoopback(): bool': (address: IpAddress) => rangeOf(address) === 'loopback' },
    'Does the address lead to the machine itself?',
    ['ip("127.0.0.1").isLoopback()', 'true'],
  ),
  define(
    'isUnspecified',
    { 'net.IP.isUnspecified(): bool': ({ bytes }: IpAddress) => bytes.every((byte) => byte === 0) },
    'Is it the unspecified address, 0.0.0.0 or ::?',
    ['ip("0.0.0.0").isUnspecified()', 'true'],
  ),
  define(
    'isLinkLocalUnicast',
    { 'net.IP.isLinkLocalUnicast(): bool': (address: IpAddress) => rangeOf(address) === 'linkLocal' },
    'Is the address valid on one link only?',
    ['ip("169.254.169.254").isLinkLocalUnicast()', 'true'],
  ),
  define(
    'isLinkLocalMulticast',
    {
      'net.IP.isLinkLocalMulticast(): bool': ({ bytes }: IpAddress) =>
        bytes.length === 4
          ? bytes[0] === 224 && bytes[1] === 0 && bytes[2] === 0
          : bytes[0] === 0xff && ((bytes[1] ?? 0) & 0x0f) === 2,
    },
    'Is it a multicast address of one link?',
    ['ip("224.0.0.251").isLinkLocalMulticast()', 'true'],
  ),
  define(
    'isGlobalUnicast',
    {
      'net.IP.isGlobalUnicast(): bool': (address: IpAddress) =>
        !['unspecified', 'broadcast', 'multicast', 'linkLocal', 'loopback'].includes(rangeOf(address)),
    },
    'Is it an address of one machine that is not local to the machine or the link? Private addresses count.',
    ['ip("192.168.0.1").isGlobalUnicast()', 'true'],
  ),
  define('cidr', { 'cidr(string): net.CIDR': parseCidr }, 'A block of IP addresses.', [
    'cidr("10.0.0.0/8").containsIP("10.1.2.3")',
    'true',
  ]),
  define('isCIDR', { 'isCIDR(string): bool': isParsed(parseCidr) }, 'Is the text a block of IP addresses?', [
    'isCIDR("10.0.0.0/33")',
    'false',
  ]),
  define(
    'containsIP',
    {
      'net.CIDR.containsIP(net.IP): bool': containsIp,
      'net.CIDR.containsIP(string): bool': (block: Cidr, text: string) => containsIp(block, parseIp(text)),
    },
    'Is the address within the block?',
    ['cidr("10.0.0.0/8").containsIP(ip("11.0.0.1"))', 'false'],
  ),
  define(
    'containsCIDR',
    {
      'net.CIDR.containsCIDR(net.CIDR): bool': containsCidr,
      'net.CIDR.containsCIDR(string): bool': (outer: Cidr, text: string) => containsCidr(outer, parseCidr(text)),
    },
    'Is the whole other block within the block?',
    ['cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16")', 'true'],
  ),
  define(
    'prefixLength',
    { 'net.CIDR.prefixLength(): int': ({ prefix }: Cidr) => BigInt(prefix) },
    'The bits that all addresses of the block share.',
    ['cidr("10.0.0.0/8").prefixLength()', '8'],
  ),
  define('masked', { 'net.CIDR.masked(): net.CIDR': masked }, 'The block with the bits behind the prefix cleared.', [
    'string(cidr("10.1.2.3/8").masked())',
    '"10.0.0.0/8"',
  ]),
];
