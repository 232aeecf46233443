import { ALGORITHM_KEYWORDS, KNOWN_RELEASES } from './algorithms.ts';
import * as read from './readers.ts';
import * as value from './values.ts';
import type { Reader } from './values.ts';

/** How a keyword is read, and where it may be used. */
export interface Keyword {
  /** Name of what is set: that of the keyword, or the one that it is an alias of. */
  readonly name: string;
  readonly read: Reader;
  /** It may be used in a Match block; sshd then takes its value from there. */
  readonly inMatch: boolean;
  /** First release that knows it; a number above all where only some distributions add it. */
  readonly since: number;
}

/** Known to some distributions alone: the program must hold the word. */
const PATCHED = 9999;

/** Shorter words of the program are no keywords that a distribution adds: `host`, `user`. */
const SHORTEST_ADDED = 8;

type Entry = readonly [reader: Reader, inMatch: boolean, since?: number, name?: string];

const any = (): boolean => true;
const isVariable = (name: string): boolean => !name.includes('=');
const forwarding = value.words({ yes: 'yes', all: 'yes', no: 'no', local: 'local', remote: 'remote' });
/** Case matters here. */
const tunnel = value.single((argument) =>
  ['no', 'point-to-point', 'ethernet', 'yes'].includes(argument) ? argument : undefined,
);
const { yesNo, whole, time, text, adding, file } = value;

const ENTRIES: Readonly<Record<string, Entry>> = {
  acceptenv: [adding(isVariable), true],
  addressfamily: [value.words({ inet: 'inet', inet6: 'inet6', any: 'any' }), false],
  afstokenpassing: [read.ignored, false],
  allowagentforwarding: [yesNo, true],
  allowgroups: [adding(any), true],
  allowstreamlocalforwarding: [forwarding, true],
  allowtcpforwarding: [forwarding, true],
  allowusers: [adding(value.isUserPattern), true],
  authenticationmethods: [read.authenticationMethods, true],
  authorizedkeyscommand: [value.command, true],
  authorizedkeyscommanduser: [text, true],
  authorizedkeysfile2: [read.ignored, true],
  authorizedkeysfile: [value.keyFiles, true],
  authorizedprincipalscommand: [value.command, true],
  authorizedprincipalscommanduser: [text, true],
  authorizedprincipalsfile: [value.single((path, { homes }) => value.expandTilde(path, homes)), true],
  banner: [file(), true],
  channeltimeout: [read.noneOr(read.isChannelTimeout), true, 902],
  checkmail: [read.ignored, false],
  chrootdirectory: [text, true],
  clientalivecountmax: [whole, true],
  clientaliveinterval: [time, true],
  compression: [value.words({ yes: 'yes', delayed: 'yes', no: 'no' }), false],
  denygroups: [adding(any), true],
  denyusers: [adding(value.isUserPattern), true],
  disableforwarding: [yesNo, true],
  dsaauthentication: [yesNo, false, 0, 'pubkeyauthentication'],
  exposeauthinfo: [yesNo, true, 706],
  fingerprinthash: [read.fingerprintHash, false],
  forcecommand: [read.forceCommand, true],
  gatewayports: [value.words({ yes: 'yes', no: 'no', clientspecified: 'clientspecified' }), true],
  gssapiauthentication: [yesNo, true],
  gssapicleanupcredentials: [yesNo, false],
  gssapidelegatecredentials: [yesNo, false, 1003],
  gssapistrictacceptorcheck: [yesNo, false],
  hostbasedacceptedkeytypes: [
    value.algorithmList('hostbasedacceptedalgorithms'),
    true,
    0,
    'hostbasedacceptedalgorithms',
  ],
  hostbasedauthentication: [yesNo, true],
  hostbasedusesnamefrompacketonly: [yesNo, true],
  hostcertificate: [value.addingFile, false],
  hostdsakey: [value.addingFile, false, 0, 'hostkey'],
  hostkey: [value.addingFile, false],
  hostkeyagent: [file('SSH_AUTH_SOCK'), false],
  ignorerhosts: [value.words({ yes: 'yes', no: 'no', 'shosts-only': 'shosts-only' }), true],
  ignoreuserknownhosts: [yesNo, false],
  ipqos: [read.ipQos, true],
  kbdinteractiveauthentication: [yesNo, true],
  keepalive: [yesNo, false, 0, 'tcpkeepalive'],
  kerberosauthentication: [yesNo, true],
  kerberosgetafstoken: [read.ignored, false],
  kerberosorlocalpasswd: [yesNo, false],
  kerberostgtpassing: [read.ignored, false],
  kerberosticketcleanup: [yesNo, false],
  keyregenerationinterval: [read.ignored, false],
  listenaddress: [read.listenAddress, false],
  logingracetime: [time, false],
  loglevel: [read.logLevel, true],
  logverbose: [read.noneOr((each) => each !== ''), true, 805],
  maxauthtries: [whole, true],
  maxsessions: [whole, true],
  maxstartups: [read.maxStartups, false],
  modulifile: [file(), false, 806],
  pamauthenticationviakbdint: [read.ignored, false],
  pamservicename: [text, true, 908],
  passwordauthentication: [yesNo, true],
  permitemptypasswords: [yesNo, true],
  permitlisten: [read.permitted(true), true, 708],
  permitopen: [read.permitted(false), true],
  permitrootlogin: [
    value.words({
      yes: 'yes',
      no: 'no',
      'prohibit-password': 'prohibit-password',
      'without-password': 'prohibit-password',
      'forced-commands-only': 'forced-commands-only',
    }),
    true,
  ],
  permittty: [yesNo, true],
  permittunnel: [tunnel, true],
  permituserenvironment: [read.permitUserEnvironment, false],
  permituserrc: [yesNo, true],
  persourcemaxstartups: [read.perSourceMaxStartups, false, 805],
  persourcenetblocksize: [read.perSourceNetBlockSize, false, 805],
  persourcepenalties: [read.perSourcePenalties, false, 908],
  persourcepenaltyexemptlist: [read.addressList, false, 908],
  pidfile: [file(), false],
  port: [read.port, false],
  printlastlog: [yesNo, false],
  printmotd: [yesNo, false],
  protocol: [read.ignored, false],
  pubkeyacceptedkeytypes: [value.algorithmList('pubkeyacceptedalgorithms'), true, 0, 'pubkeyacceptedalgorithms'],
  pubkeyauthentication: [yesNo, true],
  pubkeyauthoptions: [read.pubkeyAuthOptions, true, 802],
  rdomain: [read.routingDomain, true, 707],
  refuseconnection: [yesNo, true, 909],
  rekeylimit: [read.rekeyLimit, true],
  requiredrsasize: [whole, true, 901],
  reversemappingcheck: [read.ignored, false],
  revokedkeys: [file(), true],
  rhostsauthentication: [read.ignored, false],
  rhostsrsaauthentication: [read.ignored, true],
  rsaauthentication: [read.ignored, true],
  securitykeyprovider: [file('internal'), false, 802],
  serverkeybits: [read.ignored, false],
  setenv: [read.setEnv, true, 708],
  sshdauthpath: [file(), false, 1000],
  sshdsessionpath: [file(), false, 908],
  streamlocalbindmask: [read.streamLocalBindMask, true],
  streamlocalbindunlink: [yesNo, true],
  strictmodes: [yesNo, false],
  subsystem: [read.subsystem, true],
  syslogfacility: [read.syslogFacility, false],
  tcpkeepalive: [yesNo, false],
  trustedusercakeys: [file(), true],
  unusedconnectiontimeout: [read.unusedConnectionTimeout, true, 902],
  usedns: [yesNo, false],
  uselogin: [read.ignored, false],
  usepam: [yesNo, false],
  useprivilegeseparation: [read.ignored, false],
  verifyreversemapping: [read.ignored, false],
  versionaddendum: [read.versionAddendum, false],
  x11displayoffset: [whole, true],
  x11forwarding: [yesNo, true],
  x11uselocalhost: [yesNo, true],
  xauthlocation: [file(), false],
  // Debian and its relatives, and the Red Hat family.
  authorizedkeyscommandrunas: [read.ignored, true, PATCHED],
  debianbanner: [yesNo, false, PATCHED],
  gssapicleanupcreds: [yesNo, false, PATCHED, 'gssapicleanupcredentials'],
  gssapienablek5users: [yesNo, true, PATCHED],
  gssapikexalgorithms: [text, false, PATCHED],
  gssapikeyexchange: [yesNo, false, PATCHED],
  gssapistorecredentialsonrekey: [yesNo, false, PATCHED],
  gssapiusesessioncredcache: [read.ignored, false, PATCHED],
  gssusesessionccache: [read.ignored, false, PATCHED],
  kerberosuniqueccache: [yesNo, false, PATCHED],
  kerberosusekuserok: [yesNo, true, PATCHED],
  permitblacklistedkeys: [read.ignored, false, PATCHED],
  rsaminsize: [whole, true, PATCHED, 'requiredrsasize'],
  showpatchlevel: [yesNo, false, PATCHED],
};

const KEYWORDS: ReadonlyMap<string, Keyword> = keywordTable();

function keywordTable(): ReadonlyMap<string, Keyword> {
  const table = new Map<string, Keyword>();
  for (const [keyword, [reader, inMatch, since = 0, name = keyword]] of Object.entries(ENTRIES))
    table.set(keyword, { name, read: reader, inMatch, since });
  for (const keyword of ALGORITHM_KEYWORDS)
    table.set(keyword, {
      name: keyword,
      read: value.algorithmList(keyword),
      inMatch: !['ciphers', 'macs', 'kexalgorithms', 'hostkeyalgorithms'].includes(keyword),
      since: keyword === 'casignaturealgorithms' ? 709 : keyword.endsWith('acceptedalgorithms') ? 805 : 0,
    });
  return table;
}

/** Keywords whose use in a Match block came later than the keyword. */
const IN_MATCH_SINCE: Readonly<Record<string, number>> = Object.freeze({
  ignorerhosts: 803,
  loglevel: 706,
  subsystem: 905,
});

/**
 * The keyword by its lower-case name, as `program` has it; undefined: the program has no such keyword, `unknown`: it is
 * not known whether it has.
 */
export function keywordOf(name: string, program: value.Line['program']): Keyword | 'unknown' | undefined {
  const { release } = program;
  const keyword = KEYWORDS.get(name);
  if (name === 'challengeresponseauthentication' || name === 'skeyauthentication')
    return challengeResponse(name, release);
  if (keyword === undefined) {
    if (release === undefined || release > KNOWN_RELEASES.newest) return 'unknown';
    return program.holds(name) === false || name.length < SHORTEST_ADDED ? undefined : 'unknown';
  }
  if (keyword.since === PATCHED) {
    const isHeld = program.holds(name);
    return isHeld === undefined ? 'unknown' : isHeld ? keyword : undefined;
  }
  if (release === undefined) return keyword;
  // The Red Hat family brings keywords of later releases to its own, such as RequiredRSASize to 8.7.
  if (release < keyword.since)
    return name.length >= SHORTEST_ADDED && program.holds(name) === true ? keyword : undefined;
  return release < (IN_MATCH_SINCE[name] ?? 0) ? { ...keyword, inMatch: false } : keyword;
}

/** Where a line with this old name is kept as well, if it is one of its own or could be. */
export const CHALLENGE_RESPONSE = 'challengeresponseauthentication';
/** First release in which the old name is another name of KbdInteractiveAuthentication. */
export const KBD_INTERACTIVE_SINCE = 807;

/** Another name of KbdInteractiveAuthentication since 8.7; before, an option of its own that turns it on as well. */
function challengeResponse(name: string, release: number | undefined): Keyword {
  const both: Reader = (line) =>
    yesNo({ ...line, args: [...line.args] }) ?? yesNo({ ...line, keyword: CHALLENGE_RESPONSE });
  if (release === undefined || release >= KBD_INTERACTIVE_SINCE)
    return { name: 'kbdinteractiveauthentication', read: both, inMatch: true, since: 0 };
  const isIgnored = name === 'skeyauthentication' && release >= 708;
  return { name: CHALLENGE_RESPONSE, read: isIgnored ? read.ignored : yesNo, inMatch: false, since: 0 };
}

/** May a Match block change what is set under this name? */
export function isSetByMatch(name: string): boolean {
  return KEYWORDS.get(name.split('.', 1)[0] ?? '')?.inMatch === true;
}
