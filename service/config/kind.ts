import { isAbsolute, resolve } from 'node:path';
import { parseBytes } from '../bytes.ts';
import { parseDuration } from '../duration.ts';

/** The type of a setting: how its text is read, and the description of the accepted form for error messages. */
export interface Kind<T> {
  /** One word for the documentation. */
  readonly name: string;
  /** `a duration such as 30s, 15m or 1h, at least 10s`. */
  readonly expects: string;
  /** The value; undefined if the text is not one. */
  readonly read: (text: string, context: ReadContext) => T | undefined;
}

/** What reading a value may depend on. */
export interface ReadContext {
  /** Relative paths start here; without it they are refused. */
  readonly workingDirectory?: string;
}

/** A host and a TCP port. An IPv6 address is written in brackets. */
export interface Address {
  /** Name or address, without brackets. */
  readonly host: string;
  /** 0 … 65535; 0 asks the system for a free port where a program listens. */
  readonly port: number;
}

const MAX_PATH = 4096;

/** A path of a file or directory. */
export function path(): Kind<string> {
  return { name: 'path', expects: 'a path', read: readPath };
}

function readPath(text: string, { workingDirectory }: ReadContext): string | undefined {
  if (text === '' || text.length > MAX_PATH || text.includes('\0')) return undefined;
  if (workingDirectory !== undefined) return resolve(workingDirectory, text);
  return isAbsolute(text) ? resolve(text) : undefined;
}

/** Paths of files or directories, separated by commas; none is allowed. */
export function paths(): Kind<readonly string[]> {
  return {
    name: 'paths',
    expects: 'at most 16 paths, separated by commas',
    read: (text, context) => {
      const all = text === '' ? [] : text.split(',').map((one) => readPath(one.trim(), context));
      const valid = all.filter((one) => one !== undefined);
      return all.length <= 16 && valid.length === all.length ? valid : undefined;
    },
  };
}

/** A path, or one of the given words. */
export function pathOr(...words: readonly string[]): Kind<string> {
  return {
    name: 'path',
    expects: `a path or ${words.join(' or ')}`,
    read: (text, context) => (words.includes(text) ? text : readPath(text, context)),
  };
}

/** `host:port`. */
export function address(): Kind<Address> {
  return { name: 'address', expects: 'host:port such as 127.0.0.1:7443 or [::1]:7443', read: readAddress };
}

/** `host:port`, or `off`. */
export function addressOrOff(): Kind<Address | 'off'> {
  const { expects } = address();
  return {
    name: 'address',
    expects: `${expects}, or off`,
    read: (text) => (text === 'off' ? text : readAddress(text)),
  };
}

/** A join token as `plimsoll join-token create` prints it, or nothing. */
export function joinToken(): Kind<string> {
  return {
    name: 'token',
    expects: 'a join token as plimsoll join-token create prints it',
    read: (text) => (text === '' || /^[a-z0-9]{10}\.[A-Za-z0-9_-]{43}$/.test(text) ? text : undefined),
  };
}

/** Hashes of public keys, separated by commas; none is allowed. */
export function keyHashes(): Kind<readonly string[]> {
  return {
    name: 'hashes',
    expects: 'sha256: and 64 hexadecimal digits; several are separated by commas',
    read: (text) => {
      const hashes = text === '' ? [] : text.split(',');
      return hashes.length <= 8 && hashes.every((hash) => /^sha256:[0-9a-f]{64}$/.test(hash)) ? hashes : undefined;
    },
  };
}

/** Registries as references name them, separated by commas; none is allowed. */
export function registryNames(): Kind<readonly string[]> {
  return {
    name: 'registries',
    expects: 'registries such as docker.io, registry.example.com:5000, separated by commas',
    read: (text) => {
      const names = text === '' ? [] : text.split(',').map((name) => name.trim());
      const isRegistry = (name: string): boolean =>
        /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\])(?::\d{1,5})?$/.test(name);
      return names.length <= 64 && names.every(isRegistry) ? names : undefined;
    },
  };
}

/** Kubernetes service accounts as `namespace/name`, separated by commas. */
export function serviceAccounts(): Kind<readonly string[]> {
  return {
    name: 'service accounts',
    expects: 'service accounts such as plimsoll/plimsoll-agent, separated by commas',
    read: (text) => {
      const accounts = text.split(',').map((account) => account.trim());
      const isAccount = (account: string): boolean => /^[a-z0-9-]{1,63}\/[a-z0-9.-]{1,253}$/.test(account);
      return accounts.length <= 64 && accounts.every(isAccount) ? accounts : undefined;
    },
  };
}

/** A Kubernetes object of a namespace. */
export interface ConfigMapReference {
  readonly namespace: string;
  readonly name: string;
}

/** Names of Kubernetes namespaces, separated by commas; none is allowed. */
export function namespaces(): Kind<readonly string[]> {
  return {
    name: 'namespaces',
    expects: 'names of namespaces, separated by commas',
    read: (text) => {
      const names = text === '' ? [] : text.split(',');
      return names.length <= 256 && names.every((name) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
        ? names
        : undefined;
    },
  };
}

/** A ConfigMap, or an object of another kind, as `namespace/name`, or `off`. */
export function configMapOrOff(
  kind = 'ConfigMap',
  example = 'plimsoll-agents/plimsoll-ca',
): Kind<ConfigMapReference | 'off'> {
  return {
    name: `${kind} or off`,
    expects: `a ${kind} such as ${example}, or off`,
    read: (text) => {
      if (text === 'off') return text;
      const [, namespace, name] = /^([a-z0-9-]{1,63})\/([a-z0-9][a-z0-9.-]{0,252})$/.exec(text) ?? [];
      return namespace === undefined || name === undefined ? undefined : { namespace, name };
    },
  };
}

/** An identifier of letters, digits, dots, dashes and underscores; `or` is accepted as well. */
export function identifier(or?: string): Kind<string> {
  return {
    name: 'identifier',
    expects: 'at most 200 letters, digits, dots, dashes and underscores',
    read: (text) =>
      text === or || (/^[A-Za-z0-9._-]{1,200}$/.test(text) && text !== '.' && text !== '..') ? text : undefined,
  };
}

/** See {@link address}. */
export function readAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[4]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** The text of an address: `[::1]:7443`. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
}

/** A receiver of syslog. */
export interface SyslogReceiver {
  readonly transport: 'tcp' | 'tls' | 'udp';
  readonly address: Address;
}

/**
 * Registered ports: `syslog-tls` (RFC 5425), `syslog-conn` (RFC 3195), which receivers use for plain TCP, and `syslog`
 * (RFC 5426).
 */
const SYSLOG_PORTS = Object.freeze({ tls: 6514, tcp: 601, udp: 514 });

/** `tls://host:port`, `tcp://host:port` or `udp://host:port`; the port may be left out. */
export function syslogReceiver(): Kind<SyslogReceiver | 'off'> {
  return {
    name: 'receiver',
    expects: 'tls://host:port, tcp://host:port or udp://host:port (without a port: 6514, 601, 514), or off',
    read: (text) => {
      if (text === 'off') return text;
      const [, scheme, rest = ''] = /^(tls|tcp|udp):\/\/(.+)$/.exec(text) ?? [];
      const transport = scheme === 'tls' || scheme === 'tcp' || scheme === 'udp' ? scheme : undefined;
      if (transport === undefined) return undefined;
      const found = readAddress(rest) ?? readAddress(`${rest}:${String(SYSLOG_PORTS[transport])}`);
      return found === undefined || found.port === 0 ? undefined : { transport, address: found };
    },
  };
}

/** Where a program of this machine finds what listens on `address`: on every address means also on the loopback one. */
export function loopbackOf({ host, port }: Address): Address {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return host === '::' ? { host: '::1', port } : { host, port };
}

/** A duration, in milliseconds. */
export function duration(least: string, most: string): Kind<number> {
  const [minMs, maxMs] = [parseDuration(least) ?? 0, parseDuration(most) ?? 0];
  return {
    name: 'duration',
    expects: `a duration such as 30s, 15m or 1h, from ${least} to ${most}`,
    read: (text) => inRange(parseDuration(text), minMs, maxMs),
  };
}

/** A duration, in milliseconds, or `off`, which `0` is another word for. */
export function durationOrOff(least: string, most: string): Kind<number | 'off'> {
  const { expects, read } = duration(least, most);
  return {
    name: 'duration',
    expects: `${expects}, or off`,
    read: (text, context) => (text === 'off' || text === '0' ? 'off' : read(text, context)),
  };
}

/** A size, in bytes. */
export function size(least: string, most: string): Kind<number> {
  const [minBytes, maxBytes] = [parseBytes(least) ?? 0, parseBytes(most) ?? 0];
  return {
    name: 'size',
    expects: `a size such as 64MiB or 1GiB, from ${least} to ${most}`,
    read: (text) => inRange(parseBytes(text), minBytes, maxBytes),
  };
}

/** A whole number. */
export function integer(least: number, most: number): Kind<number> {
  return {
    name: 'number',
    expects: `a whole number from ${String(least)} to ${String(most)}`,
    read: (text) => inRange(/^\d{1,15}$/.test(text) ? Number(text) : undefined, least, most),
  };
}

/** A whole number, or `off`. */
export function integerOrOff(least: number, most: number): Kind<number | 'off'> {
  const { expects, read } = integer(least, most);
  return {
    name: 'number',
    expects: `${expects}, or off`,
    read: (text, context) => (text === 'off' ? 'off' : read(text, context)),
  };
}

/** One of the given words. */
export function word<const W extends string>(...words: readonly W[]): Kind<W> {
  return {
    name: 'word',
    expects: `one of ${words.join(', ')}`,
    read: (text) => words.find((known) => known === text),
  };
}

/** Some of the given words, separated by commas, each once and in their order; `all`: every one. */
export function words<const W extends string>(name: string, known: readonly W[]): Kind<readonly W[]> {
  return {
    name: 'words',
    expects: `${name}, separated by commas: all, or some of ${known.join(', ')}`,
    read: (text) => {
      if (text === 'all') return known;
      const wanted = new Set(text.split(',').map((part) => part.trim()));
      const chosen = known.filter((one) => wanted.has(one));
      return chosen.length === wanted.size ? chosen : undefined;
    },
  };
}

/** Members of a group get a role. `*`: everybody. */
export interface RoleMapping<R extends string> {
  readonly role: R;
  readonly group: string;
}

/** `ROLE:GROUP`, separated by commas; none is allowed. */
export function roleMappings<const R extends string>(...roles: readonly R[]): Kind<readonly RoleMapping<R>[]> {
  return {
    name: 'mappings',
    expects: `ROLE:GROUP separated by commas, such as admin:platform,viewer:*; roles are ${roles.join(', ')}`,
    read: (text) => {
      const parts = text === '' ? [] : text.split(',').map((part) => part.trim());
      const mappings = parts.flatMap((part) => {
        const [, word = '', group = ''] = /^(\w+):([^\p{Cc}]{1,256})$/u.exec(part) ?? [];
        const role = roles.find((each) => each === word);
        return role === undefined ? [] : [{ role, group }];
      });
      return mappings.length === parts.length && parts.length <= 256 ? mappings : undefined;
    },
  };
}

/** An HTTPS URL without query, or `off`. */
export function httpsUrlOrOff(): Kind<string> {
  return {
    name: 'URL',
    expects: 'a URL such as https://login.example.net/realms/main, or off',
    read: (text) => {
      if (text === 'off') return text;
      const url = text.length <= 2048 && URL.canParse(text) ? new URL(text) : undefined;
      const isPlain = url?.protocol === 'https:' && `${url.search}${url.hash}${url.username}${url.password}` === '';
      return isPlain ? text : undefined;
    },
  };
}

/** An HTTPS URL without query, a plain HTTP URL of a program on this machine, or `off`. */
export function receiverUrlOrOff(example: string): Kind<string> {
  return {
    name: 'URL',
    expects: `a URL such as ${example} (http:// only to this machine, such as http://127.0.0.1:4318), or off`,
    read: (text) => {
      if (text === 'off') return text;
      const url = text.length <= 2048 && URL.canParse(text) ? new URL(text) : undefined;
      if (url === undefined || `${url.search}${url.hash}${url.username}${url.password}` !== '') return undefined;
      const isLocal = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
      return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal) ? text : undefined;
    },
  };
}

/** Where an update comes from: an https URL, an oci reference or the path of a file; or `off`. */
export function updateSourceOrOff(): Kind<string> {
  return {
    name: 'source',
    expects: 'a URL such as https://mirror.example.net/vulndb.sqlite.gz, oci://REFERENCE, a path, or off',
    read: (text, context) => {
      if (text === 'off') return text;
      if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return readPath(text, context);
      const url = text.length <= 2048 && URL.canParse(text) ? new URL(text) : undefined;
      const isPlain = url !== undefined && `${url.username}${url.password}${url.hash}` === '';
      return isPlain && ['https:', 'oci:'].includes(url.protocol) ? text : undefined;
    },
  };
}

/** Text without control characters; empty is allowed. */
export function text(maxLength: number): Kind<string> {
  return {
    name: 'text',
    expects: `text of at most ${String(maxLength)} characters`,
    read: (given) => (given.length <= maxLength && !/\p{Cc}/u.test(given) ? given : undefined),
  };
}

/** Text without control characters but line breaks; or the given word. */
export function textOr(maxLength: number, or: string, expects: string): Kind<string> {
  return {
    name: 'text',
    expects: `${expects}, or ${or}`,
    read: (given) => {
      const trimmed = given.trim();
      return trimmed !== '' && given.length <= maxLength && !/[^\P{Cc}\n\t]/u.test(given) ? trimmed : undefined;
    },
  };
}

/** A name of a machine, or nothing. */
export function hostName(): Kind<string> {
  return {
    name: 'name',
    expects: 'a name of letters, digits, dots, dashes and underscores, at most 253 characters',
    read: (text) => (/^[A-Za-z0-9._-]{0,253}$/.test(text) ? text : undefined),
  };
}

/** Names or addresses of machines, separated by commas; none is allowed. */
export function hostNames(): Kind<readonly string[]> {
  return {
    name: 'names',
    expects: 'names or addresses separated by commas',
    read: (text) => {
      const names = text === '' ? [] : text.split(',').map((name) => name.trim());
      return names.length <= 64 && names.every((name) => /^[A-Za-z0-9._:-]{1,253}$/.test(name)) ? names : undefined;
    },
  };
}

/**
 * Endpoints of Docker engines of this machine, separated by commas: one of another machine cannot be judged from here.
 * Empty: to be found.
 */
export function dockerEndpoints(): Kind<string> {
  return {
    name: 'endpoints',
    expects:
      'endpoints of Docker engines of this machine, separated by commas, such as unix:///var/run/docker.sock or tcp://127.0.0.1:2376',
    read: (text) => {
      const endpoints = text === '' ? [] : text.split(',');
      return endpoints.length <= MAX_ENDPOINTS && endpoints.every(isEndpoint) ? text : undefined;
    },
  };
}

/** Sockets of container runtimes, separated by commas. Empty: to be found. */
export function runtimeEndpoints(): Kind<string> {
  return {
    name: 'endpoints',
    expects: 'sockets of container runtimes, separated by commas, such as unix:///run/containerd/containerd.sock',
    read: (text) => {
      const endpoints = text === '' ? [] : text.split(',');
      return endpoints.length <= MAX_ENDPOINTS && endpoints.every(isUnixSocket) ? text : undefined;
    },
  };
}

const MAX_ENDPOINTS = 16;

function isEndpoint(text: string): boolean {
  return isUnixSocket(text) || /^tcp:\/\/(?:\[[\da-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::\d{1,5})?$/.test(text);
}

/** Is it an endpoint of this machine without doubt: a unix socket, or TCP on loopback? */
export function isLocalEndpoint(text: string): boolean {
  return (
    isUnixSocket(text) || (isEndpoint(text) && /^tcp:\/\/(?:\[::1\]|localhost|127(?:\.\d{1,3}){3})(?::|$)/.test(text))
  );
}

/** The path of a unix socket, written `unix:///path`, or `off`. */
export function unixSocketOrOff(): Kind<string> {
  return {
    name: 'socket',
    expects: 'unix:// and an absolute path, or off',
    read: (text) => {
      if (text === 'off') return text;
      return isUnixSocket(text) ? text.slice('unix://'.length) : undefined;
    },
  };
}

/** `unix:///path`, as DOCKER_HOST has it. */
function isUnixSocket(text: string): boolean {
  return /^unix:\/\/\/[^\0,]{1,4000}$/.test(text);
}

function inRange(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}
