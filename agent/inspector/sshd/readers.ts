import { isAddressList, parseAddress } from './address.ts';
import { MAX_INT, parseScaled, parseTime, parseWhole, scanInteger } from './numbers.ts';
import { lowerCase, skipWhitespace } from './sshd-config.ts';
import { refused, setFirst, setLast, several, time } from './values.ts';
import type { Line, ConfigError, Reader } from './values.ts';

/** Readers of keywords that have a form of their own. */

const missing = refused('an argument is missing');
const notAccepted = refused('sshd does not accept the value');
/** MAX_PORTS of OpenSSH. */
const MAX_PORTS = 256;

/** Ports by the name of the service, or that they were not read. */
export type Services = ReadonlyMap<string, number> | undefined;

/** That names of services would have to be known. */
export const SERVICE_NAMES_MISSING: ConfigError = { kind: 'unknown', text: 'the port is the name of a service' };

/** A port, as a number or as the name of a service. */
export function parsePort(text: string, services: Services): number | ConfigError | undefined {
  const port = parseWhole(text, 0, 65_535);
  if (port !== undefined || !/[a-z]/i.test(text)) return port;
  return services === undefined ? SERVICE_NAMES_MISSING : services.get(text);
}

export const port: Reader = (line) => {
  const { args, options, source } = line;
  const before = options.get('port');
  if (before?.source.startsWith('-') === true && !source.startsWith('-')) {
    // Ports on the command line replace those of the file.
    args.length = 0;
    return undefined;
  }
  const argument = args.shift() ?? '';
  const value = parsePort(argument, line.services);
  if (typeof value === 'object') return value;
  if (value === undefined || value === 0) return notAccepted;
  if ((before?.values.length ?? 0) >= MAX_PORTS) return refused('there are more than 256 ports');
  setLast(line, [...(before?.values ?? []), String(value)]);
  return undefined;
};

/** `host:port`, `[host]:port`, or a host alone; undefined for any other text. */
function splitHostPort(text: string): { readonly host: string; readonly port: string | undefined } | undefined {
  const match = /^(\[[^\]]*\]|[^[:/][^:/]*|)(?::(.*))?$/s.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? '', port: match[2] };
}

export const listenAddress: Reader = (line) => {
  const argument = line.args.shift() ?? '';
  if (argument === '') return missing;
  // An IPv6 address without brackets has no port.
  const isBare = !argument.includes('[') && (argument.match(/:/g)?.length ?? 0) > 1;
  const parts = isBare ? { host: argument, port: undefined } : splitHostPort(argument);
  // What is no name of a host cannot be resolved; whether a name can is not known here.
  if (parts === undefined || !/^[\w.:%[\]-]+$/.test(parts.host)) return notAccepted;
  if (/^[\d.]+$/.test(parts.host) && parseAddress(parts.host) === undefined) return notAccepted;
  const portNumber = parts.port === undefined ? 1 : parsePort(parts.port, line.services);
  if (typeof portNumber === 'object') return portNumber;
  if (portNumber === undefined || portNumber === 0) return notAccepted;
  const rest = line.args.splice(0);
  if (rest.length > 0) {
    if (rest[0] !== 'rdomain' || rest.length !== 2) return notAccepted;
    return { kind: 'unknown', text: 'the routing domain is not known' };
  }
  setLast(line, [...(line.options.get('listenaddress')?.values ?? []), argument]);
  return undefined;
};

/** Does the address, where it is a literal one, belong to the family that AddressFamily names? */
export function fitsFamily(listen: string, family: string): boolean {
  const host = listen.includes('[') || (listen.match(/:/g)?.length ?? 0) < 2 ? splitHostPort(listen)?.host : listen;
  const address = parseAddress((host ?? '').replace(/^\[(.*)\]$/, '$1'));
  return address === undefined || family === 'any' || (family === 'inet6') === (address.family === 6);
}

export const maxStartups: Reader = (line) => {
  const argument = line.args.shift() ?? '';
  const begin = scanInteger(argument);
  if (begin === undefined) return notAccepted;
  const rate = begin.rest.startsWith(':') ? scanInteger(begin.rest.slice(1)) : undefined;
  const full = rate?.rest.startsWith(':') === true ? scanInteger(rate.rest.slice(1)) : undefined;
  if (rate !== undefined && full === undefined) return notAccepted;
  if (rate !== undefined && full !== undefined) {
    if (begin.value > full.value || rate.value > 100 || rate.value < 1) return notAccepted;
    setLast(line, [String(rate.value)], 'maxstartups.rate');
  }
  if (begin.value <= 0 || (full ?? begin).value <= 0) return notAccepted;
  setLast(line, [String(begin.value)], 'maxstartups.begin');
  setLast(line, [String((full ?? begin).value)], 'maxstartups.full');
  return undefined;
};

export const perSourceNetBlockSize: Reader = (line) => {
  const v4 = scanInteger(line.args.shift() ?? '');
  if (v4 === undefined || v4.value < 0 || v4.value > 32) return notAccepted;
  const v6 = v4.rest.startsWith(':') ? scanInteger(v4.rest.slice(1)) : undefined;
  if (v6 !== undefined && (v6.value < 0 || v6.value > 128)) return notAccepted;
  setLast(line, [v6 === undefined ? String(v4.value) : `${String(v4.value)}:${String(v6.value)}`]);
  return undefined;
};

export const perSourceMaxStartups: Reader = (line) => {
  const argument = line.args.shift() ?? '';
  const value = argument === 'none' ? MAX_INT : parseWhole(argument, 0, MAX_INT);
  if (value === undefined) return notAccepted;
  setFirst(line, [value === MAX_INT ? 'none' : String(value)]);
  return undefined;
};

const PENALTIES: ReadonlySet<string> = new Set([
  'crash',
  'authfail',
  'noauth',
  'grace-exceeded',
  'refuseconnection',
  'max',
  'min',
  'invaliduser',
]);
const OVERFLOWS: ReadonlySet<string> = new Set([
  'overflow:deny-all',
  'overflow:permissive',
  'overflow6:deny-all',
  'overflow6:permissive',
]);

export const perSourcePenalties: Reader = (line) => {
  const { args, options, isActive, source } = line;
  if (args.length === 0) return missing;
  for (let argument = args.shift(); argument !== undefined; argument = args.shift()) {
    if (['yes', 'no'].includes(lowerCase(argument))) {
      if (args.length > 0) return notAccepted;
      setFirst(line, [lowerCase(argument)]);
      continue;
    }
    const problem = penaltyProblem(argument, line);
    if (problem !== undefined) return problem;
    const name = `persourcepenalties.${argument.slice(0, argument.indexOf(':'))}`;
    if (!isActive || options.has(name)) continue;
    options.set(name, { values: [argument], source });
    options.set('persourcepenalties', { values: ['yes'], source });
  }
  return undefined;
};

function penaltyProblem(argument: string, { program: { release } }: Line): ConfigError | undefined {
  if (OVERFLOWS.has(argument)) return undefined;
  const [, name = '', value = ''] = /^([^:]*):(.*)$/s.exec(argument) ?? [];
  if (name === 'max-sources4' || name === 'max-sources6')
    return parseWhole(value, 0, MAX_INT) === undefined ? notAccepted : undefined;
  const isNew = name === 'invaliduser' || value.includes('.');
  if (!PENALTIES.has(name) || (isNew && release !== undefined && release < 1003)) return notAccepted;
  // Since 10.3 penalties may be fractions of seconds.
  return parseTime(value.replace(/(?<=\d)\.\d+/, '')) === undefined ? notAccepted : undefined;
}

export const addressList: Reader = (line) => {
  const argument = line.args.shift() ?? '';
  if (argument === '' || !isAddressList(argument)) return notAccepted;
  setFirst(line, [argument]);
  return undefined;
};

/** `yes`, `no`, both in lower case alone, or patterns of variables. */
export const permitUserEnvironment: Reader = (line) => {
  const argument = line.args.shift() ?? '';
  if (argument === '') return missing;
  setFirst(line, [argument]);
  return undefined;
};

export const rekeyLimit: Reader = (line) => {
  const argument = line.args.shift() ?? '';
  const bytes = argument === 'default' ? 0n : argument === '' ? undefined : parseScaled(argument);
  if (bytes === undefined || (bytes !== 0n && bytes < 16n) || bytes >= 2n ** 63n) return notAccepted;
  setFirst(line, [String(bytes)]);
  if (line.args.length === 0) return undefined;
  if (line.args[0] === 'none') {
    line.args.shift();
    return undefined;
  }
  return time({ ...line, keyword: 'rekeylimit.interval' });
};

export const unusedConnectionTimeout: Reader = (line) => {
  if (lowerCase(line.args[0] ?? '') !== 'none') return time(line);
  line.args.shift();
  setLast(line, ['0']);
  return undefined;
};

/** Words of which `none` must be alone. */
export function noneOr(accepts: (argument: string) => boolean): Reader {
  return (line) => {
    const isMixed = line.args.length > 1 && line.args.some((argument) => lowerCase(argument) === 'none');
    return isMixed ? notAccepted : several((each) => lowerCase(each) === 'none' || accepts(each))(line);
  };
}

/** `channel=time` */
export function isChannelTimeout(argument: string): boolean {
  const equals = argument.indexOf('=');
  return equals > 0 && parseTime(argument.slice(equals + 1)) !== undefined;
}

export const pubkeyAuthOptions: Reader = (line) => {
  const options = line.args.splice(0).map(lowerCase);
  if (!options.every((option) => ['none', 'touch-required', 'verify-required'].includes(option))) return notAccepted;
  const set = ['touch-required', 'verify-required'].filter((option) => options.includes(option));
  setFirst(line, set.length === 0 ? ['none'] : set);
  return undefined;
};

/** `NAME=value …`; a name that is repeated on the line does not count. */
export const setEnv: Reader = (line) => {
  const names = new Map<string, string>();
  for (const argument of line.args) {
    const equals = argument.indexOf('=');
    if (equals === -1) return notAccepted;
    const name = argument.slice(0, equals);
    if (!names.has(name)) names.set(name, argument);
  }
  line.args.length = 0;
  if (names.size === 0) return missing;
  setFirst(line, [...names.values()]);
  return undefined;
};

/** `name command arguments`: the first of each name counts. */
export const subsystem: Reader = (line) => {
  const [name = '', program, ...args] = line.args.splice(0);
  if (name === '') return missing;
  if (!line.isActive || line.options.has(`subsystem.${name}`)) return undefined;
  if (program === undefined || program === '') return missing;
  setFirst(line, [[name, ...[program, ...args].map(quoteArgument)].join(' ')], `subsystem.${name}`);
  return undefined;
};

function quoteArgument(argument: string): string {
  const escaped = argument.replace(/["'\\]/g, '\\$&');
  return /[ \t]/.test(argument) ? `"${escaped}"` : escaped;
}

const METHODS: ReadonlySet<string> = new Set([
  'none',
  'publickey',
  'gssapi-with-mic',
  'password',
  'keyboard-interactive',
  'hostbased',
]);

/** `any` alone, or lists of methods, `publickey,keyboard-interactive:pam`. */
export const authenticationMethods: Reader = (line) => {
  const lists = line.args.splice(0);
  if (lists.length === 0) return missing;
  if (lists.length > 1 && lists.includes('any')) return notAccepted;
  for (const list of lists) {
    if (list === 'any') continue;
    for (const method of list.split(',')) {
      const name = method.split(':', 1)[0] ?? '';
      const isPatched = name === 'gssapi-keyex' && line.program.holds('gssapikeyexchange') !== false;
      if (!METHODS.has(name) && !isPatched) return refused('sshd does not know an authentication method');
    }
  }
  setFirst(line, lists);
  return undefined;
};

export const streamLocalBindMask: Reader = (line) => {
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-7]+)/.exec(line.args.shift() ?? '');
  if (match === null) return notAccepted;
  const value = Number.parseInt(match[2] ?? '0', 8);
  if (value > 0o777 || (match[1] === '-' && value !== 0)) return notAccepted;
  setLast(line, [`0${value.toString(8)}`]);
  return undefined;
};

const DIGESTS: ReadonlySet<string> = new Set(['md5', 'sha1', 'sha256', 'sha384', 'sha512']);

export const fingerprintHash: Reader = (line) => {
  const name = lowerCase(line.args.shift() ?? '');
  if (!DIGESTS.has(name)) return notAccepted;
  setLast(line, [name.toUpperCase()]);
  return undefined;
};

const CLASSES = /^(?:none|af[1-4][1-3]|cs[0-7]|ef|le|lowdelay|throughput|reliability)$/;

export const ipQos: Reader = (line) => {
  const values = line.args.splice(0, 2).map(lowerCase);
  if (values.length === 0) return missing;
  const takesVoiceAdmit = (line.program.release ?? 0) >= 1003;
  const isClass = (value: string): boolean => CLASSES.test(value) || (value === 'va' && takesVoiceAdmit);
  if (!values.every((value) => isClass(value) || parseWhole(value, 0, 255) !== undefined)) return notAccepted;
  setLast(line, values);
  return undefined;
};

export const versionAddendum: Reader = (line) => {
  line.args.length = 0;
  const written = skipWhitespace(line.rest);
  if (written.includes('\r')) return notAccepted;
  setFirst(line, [lowerCase(written) === 'none' ? 'none' : written]);
  return undefined;
};

export const forceCommand: Reader = (line) => {
  line.args.length = 0;
  setFirst(line, [skipWhitespace(line.rest)]);
  return undefined;
};

/** `host:port …`, `any` or `none`; a port alone where `allowsBarePort`. */
export function permitted(allowsBarePort: boolean): Reader {
  return (line) => {
    const values: string[] = [];
    for (const argument of line.args.splice(0)) {
      if (argument === 'any' || argument === 'none') {
        if (values.length > 0) return notAccepted;
        values.push(argument);
        continue;
      }
      const isBare = allowsBarePort && !argument.includes(':');
      const written = isBare ? argument : splitHostPort(argument)?.port;
      const port = written === '*' ? 1 : parsePort(written ?? '', line.services);
      if (typeof port === 'object') return port;
      if (port === undefined || port === 0) return notAccepted;
      values.push(isBare ? `*:${argument}` : argument);
    }
    if (values.length === 0) return missing;
    setFirst(line, values);
    return undefined;
  };
}

/** Keywords that have no effect, whatever follows. */
export const ignored: Reader = (line) => {
  line.args.length = 0;
  return undefined;
};

/** Linux has no routing domains that sshd could set. */
export const routingDomain: Reader = () => refused('routing domains cannot be set on Linux');

const LEVELS: ReadonlySet<string> = new Set([
  'QUIET',
  'SILENT',
  'FATAL',
  'ERROR',
  'INFO',
  'VERBOSE',
  'DEBUG',
  'DEBUG1',
  'DEBUG2',
  'DEBUG3',
]);
/** Another name of QUIET that Debian adds, and shows. */
const QUIET_OF_DEBIAN = 'SILENT';

export const logLevel: Reader = (line) => {
  const name = lowerCase(line.args.shift() ?? '').toUpperCase();
  const isDebian = line.program.holds(QUIET_OF_DEBIAN) !== false;
  if (!LEVELS.has(name) || (name === QUIET_OF_DEBIAN && !isDebian)) return notAccepted;
  // DEBUG1 means the same as DEBUG.
  setFirst(line, [name === 'DEBUG1' ? 'DEBUG' : name === 'QUIET' && isDebian ? QUIET_OF_DEBIAN : name]);
  return undefined;
};

export const syslogFacility: Reader = (line) => {
  const name = lowerCase(line.args.shift() ?? '').toUpperCase();
  if (!/^(?:DAEMON|USER|AUTH|AUTHPRIV|LOCAL[0-7])$/.test(name)) return notAccepted;
  setFirst(line, [name]);
  return undefined;
};
