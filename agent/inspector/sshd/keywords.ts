import { ALGORITHMS, assembleAlgorithms } from './algorithms.ts';
import type { AlgorithmKeyword } from './algorithms.ts';

/** How the arguments of a keyword are read, and what it is when nobody sets it. */
export interface Keyword {
  readonly read: (args: readonly string[]) => Value;
  readonly fallback: readonly string[];
  /** It may stand in a Match block. */
  readonly inMatch: boolean;
  /** Each line adds to those before, instead of the first one counting. */
  readonly accumulates?: boolean;
}

/** The values of one line in the words of `sshd -T`, or why sshd refuses the line. */
export type Value = { readonly values: readonly string[] } | { readonly problem: string };

type Reader = Keyword['read'];

/** Exactly one argument. */
function single(read: (argument: string) => string | undefined): Reader {
  return (args) => {
    const [argument] = args;
    if (argument === undefined || argument === '') return { problem: 'has no argument' };
    if (args.length > 1) return { problem: 'has more than one argument' };
    const value = read(argument);
    return value === undefined ? { problem: 'has a value that sshd does not know' } : { values: [value] };
  };
}

/** One of some words, in any case; some mean the same as another. */
function words(meanings: Readonly<Record<string, string>>): Reader {
  return single((argument) => {
    const word = argument.toLowerCase();
    return Object.hasOwn(meanings, word) ? meanings[word] : undefined;
  });
}

const yesNo = words({ yes: 'yes', no: 'no' });
const forwarding = words({ yes: 'yes', all: 'yes', no: 'no', local: 'local', remote: 'remote' });
const whole = single((argument) => (/^\d{1,9}$/.test(argument) ? String(Number(argument)) : undefined));
/** As many arguments as there are. */
const several: Reader = (args) => (args.length === 0 ? { problem: 'has no argument' } : { values: args });
const text = single((argument) => argument);

const UNIT_SECONDS: Readonly<Record<string, number>> = Object.freeze({
  '': 1,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
});

/** sshd_config(5), section TIME FORMATS: `90`, `1h30m`; in seconds. */
const time = single((argument) => {
  if (!/^(?:\d{1,9}[smhdw]?){1,16}$/i.test(argument)) return undefined;
  let seconds = 0;
  for (const [, digits = '', unit = ''] of argument.matchAll(/(\d{1,9})([smhdw]?)/gi))
    seconds += Number(digits) * (UNIT_SECONDS[unit.toLowerCase()] ?? 1);
  return String(seconds);
});

const LEVELS = ['QUIET', 'FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG1', 'DEBUG2', 'DEBUG3'];
const level = single((argument) => LEVELS.find((name) => name === argument.toUpperCase()));

function algorithms(keyword: AlgorithmKeyword, inMatch: boolean): Keyword {
  const known = ALGORITHMS[keyword];
  return {
    read: (args) => {
      const value = text(args);
      return 'problem' in value ? value : { values: [assembleAlgorithms(known, value.values[0] ?? '').join(',')] };
    },
    fallback: [known.defaults.join(',')],
    inMatch,
  };
}

const anywhere = (read: Reader, ...fallback: readonly string[]): Keyword => ({ read, fallback, inMatch: true });
const globally = (read: Reader, ...fallback: readonly string[]): Keyword => ({ read, fallback, inMatch: false });
const adding = (read: Reader, inMatch: boolean, ...fallback: readonly string[]): Keyword => ({
  read,
  fallback,
  inMatch,
  accumulates: true,
});

/**
 * The keywords that checks and other inspectors read, by lower-case name, with the defaults of OpenSSH. Distributions
 * change none of these in the program; they ship a file. Others are not kept.
 */
export const KEYWORDS: Readonly<Record<string, Keyword>> = Object.freeze({
  acceptenv: adding(several, true),
  allowagentforwarding: anywhere(yesNo, 'yes'),
  allowgroups: adding(several, true),
  allowstreamlocalforwarding: anywhere(forwarding, 'yes'),
  allowtcpforwarding: anywhere(forwarding, 'yes'),
  allowusers: adding(several, true),
  authenticationmethods: anywhere(several, 'any'),
  authorizedkeyscommand: anywhere(text, 'none'),
  authorizedkeyscommanduser: anywhere(text, 'none'),
  authorizedkeysfile: anywhere(several, '.ssh/authorized_keys', '.ssh/authorized_keys2'),
  casignaturealgorithms: algorithms('casignaturealgorithms', true),
  ciphers: algorithms('ciphers', false),
  clientalivecountmax: anywhere(whole, '3'),
  clientaliveinterval: anywhere(time, '0'),
  denygroups: adding(several, true),
  denyusers: adding(several, true),
  disableforwarding: anywhere(yesNo, 'no'),
  exposeauthinfo: anywhere(yesNo, 'no'),
  forcecommand: anywhere(several, 'none'),
  gatewayports: anywhere(words({ yes: 'yes', no: 'no', clientspecified: 'clientspecified' }), 'no'),
  gssapiauthentication: anywhere(yesNo, 'no'),
  hostbasedacceptedalgorithms: algorithms('hostbasedacceptedalgorithms', true),
  hostbasedauthentication: anywhere(yesNo, 'no'),
  hostkey: adding(
    text,
    false,
    '/etc/ssh/ssh_host_rsa_key',
    '/etc/ssh/ssh_host_ecdsa_key',
    '/etc/ssh/ssh_host_ed25519_key',
  ),
  hostkeyalgorithms: algorithms('hostkeyalgorithms', false),
  ignorerhosts: anywhere(words({ yes: 'yes', no: 'no', 'shosts-only': 'shosts-only' }), 'yes'),
  ignoreuserknownhosts: globally(yesNo, 'no'),
  kbdinteractiveauthentication: anywhere(yesNo, 'yes'),
  kerberosauthentication: anywhere(yesNo, 'no'),
  kexalgorithms: algorithms('kexalgorithms', false),
  listenaddress: adding(several, false),
  logingracetime: globally(time, '120'),
  loglevel: anywhere(level, 'INFO'),
  macs: algorithms('macs', false),
  maxauthtries: anywhere(whole, '6'),
  maxsessions: anywhere(whole, '10'),
  maxstartups: globally(text, '10:30:100'),
  passwordauthentication: anywhere(yesNo, 'yes'),
  permitemptypasswords: anywhere(yesNo, 'no'),
  permitrootlogin: anywhere(
    words({
      yes: 'yes',
      no: 'no',
      'prohibit-password': 'prohibit-password',
      'without-password': 'prohibit-password',
      'forced-commands-only': 'forced-commands-only',
    }),
    'prohibit-password',
  ),
  permittty: anywhere(yesNo, 'yes'),
  permittunnel: anywhere(
    words({ yes: 'yes', no: 'no', 'point-to-point': 'point-to-point', ethernet: 'ethernet' }),
    'no',
  ),
  permituserenvironment: globally(text, 'no'),
  permituserrc: anywhere(yesNo, 'yes'),
  port: adding(whole, false, '22'),
  pubkeyacceptedalgorithms: algorithms('pubkeyacceptedalgorithms', true),
  pubkeyauthentication: anywhere(yesNo, 'yes'),
  requiredrsasize: globally(whole, '1024'),
  strictmodes: globally(yesNo, 'yes'),
  syslogfacility: globally(
    single((argument) => argument.toUpperCase()),
    'AUTH',
  ),
  trustedusercakeys: anywhere(text, 'none'),
  usedns: globally(yesNo, 'no'),
  usepam: globally(yesNo, 'no'),
  x11forwarding: anywhere(yesNo, 'no'),
  x11uselocalhost: anywhere(yesNo, 'yes'),
});

/** A keyword that is not listed: its arguments as they are, the first line counts. */
export const OTHER_KEYWORD: Keyword = Object.freeze({ read: several, fallback: [], inMatch: true });

/** The keyword by its lower-case name. */
export function keywordOf(name: string): Keyword {
  return (Object.hasOwn(KEYWORDS, name) ? KEYWORDS[name] : undefined) ?? OTHER_KEYWORD;
}
