import type { SshSetting } from '../../../posture/fact/sshd.ts';
import { redactText } from '../../../posture/redaction/redact.ts';
import { clip } from '../clip.ts';
import { ALGORITHM_KEYWORDS } from './algorithms.ts';
import { CHALLENGE_RESPONSE } from './keywords.ts';
import type { SshdProgram } from './release.ts';
import { decodeBytes, lowerCase } from './sshd-config.ts';
import { offered } from './values.ts';
import type { Option, Options } from './values.ts';

const DEFAULT = 'default';
/** Bounds of a fact; what exceeds them is left out, so that no check judges a part of it. */
const MAX_VALUES = 4096;
const MAX_VALUE_LENGTH = 4096;

/** Defaults of OpenSSH, which are the same in all releases, as `sshd -T` shows them. Distributions ship a file instead. */
const DEFAULTS: Readonly<Record<string, readonly string[]>> = Object.freeze({
  acceptenv: [],
  addressfamily: ['any'],
  allowagentforwarding: ['yes'],
  allowgroups: [],
  allowstreamlocalforwarding: ['yes'],
  allowtcpforwarding: ['yes'],
  allowusers: [],
  authenticationmethods: ['any'],
  authorizedkeyscommand: ['none'],
  authorizedkeyscommanduser: ['none'],
  authorizedkeysfile: ['.ssh/authorized_keys', '.ssh/authorized_keys2'],
  authorizedprincipalscommand: ['none'],
  authorizedprincipalscommanduser: ['none'],
  authorizedprincipalsfile: ['none'],
  banner: ['none'],
  channeltimeout: ['none'],
  chrootdirectory: ['none'],
  clientalivecountmax: ['3'],
  clientaliveinterval: ['0'],
  compression: ['yes'],
  denygroups: [],
  denyusers: [],
  disableforwarding: ['no'],
  exposeauthinfo: ['no'],
  fingerprinthash: ['SHA256'],
  forcecommand: ['none'],
  gatewayports: ['no'],
  gssapiauthentication: ['no'],
  gssapicleanupcredentials: ['yes'],
  gssapistrictacceptorcheck: ['yes'],
  hostbasedauthentication: ['no'],
  hostbasedusesnamefrompacketonly: ['no'],
  hostcertificate: [],
  hostkey: ['/etc/ssh/ssh_host_rsa_key', '/etc/ssh/ssh_host_ecdsa_key', '/etc/ssh/ssh_host_ed25519_key'],
  hostkeyagent: ['none'],
  ignorerhosts: ['yes'],
  ignoreuserknownhosts: ['no'],
  kerberosauthentication: ['no'],
  kerberosorlocalpasswd: ['yes'],
  kerberosticketcleanup: ['yes'],
  listenaddress: [],
  logingracetime: ['120'],
  loglevel: ['INFO'],
  logverbose: [],
  maxauthtries: ['6'],
  maxsessions: ['10'],
  passwordauthentication: ['yes'],
  permitemptypasswords: ['no'],
  permitlisten: ['any'],
  permitopen: ['any'],
  permitrootlogin: ['prohibit-password'],
  permittty: ['yes'],
  permittunnel: ['no'],
  permituserenvironment: ['no'],
  permituserrc: ['yes'],
  persourcemaxstartups: ['none'],
  persourcepenaltyexemptlist: ['none'],
  port: ['22'],
  printlastlog: ['yes'],
  printmotd: ['yes'],
  pubkeyauthentication: ['yes'],
  pubkeyauthoptions: ['none'],
  refuseconnection: ['no'],
  requiredrsasize: ['1024'],
  revokedkeys: ['none'],
  streamlocalbindmask: ['0177'],
  streamlocalbindunlink: ['no'],
  strictmodes: ['yes'],
  syslogfacility: ['AUTH'],
  tcpkeepalive: ['yes'],
  trustedusercakeys: ['none'],
  unusedconnectiontimeout: ['none'],
  usedns: ['no'],
  usepam: ['no'],
  versionaddendum: ['none'],
  x11displayoffset: ['10'],
  x11forwarding: ['no'],
  x11uselocalhost: ['yes'],
});

/** Values in which passwords may be: command lines. */
const COMMANDS: ReadonlySet<string> = new Set([
  'authorizedkeyscommand',
  'authorizedprincipalscommand',
  'forcecommand',
  'subsystem',
]);

/**
 * What `options` come to, in the words of `sshd -T`, by lower-case keyword. What depends on a release that is not known
 * is left out. Of SetEnv only the names are kept.
 */
export function settingsOf(options: Options, program: SshdProgram): Record<string, SshSetting> {
  const settings: Record<string, SshSetting> = {};
  const add = (name: string, option: Option | undefined): void => {
    const setting = option === undefined ? undefined : bounded(name, option);
    if (setting !== undefined) settings[name] = setting;
  };
  for (const [name, values] of Object.entries(DEFAULTS)) add(name, options.get(name) ?? { values, source: DEFAULT });
  for (const name of ALGORITHM_KEYWORDS) {
    const option = options.get(name);
    const names = offered(name, option?.values[0], program);
    if (names !== undefined && names !== 'unknown')
      add(name, { values: [names.join(',')], source: option?.source ?? DEFAULT });
  }
  // Without a release, `KbdInteractiveAuthentication no` alone says nothing: before 8.7 it is `yes` all the same.
  const interactive = options.get('kbdinteractiveauthentication') ?? { values: ['yes'], source: DEFAULT };
  const isCertain = interactive.values[0] === 'yes' || options.get(CHALLENGE_RESPONSE)?.values[0] === 'no';
  if (program.release !== undefined || isCertain) add('kbdinteractiveauthentication', interactive);
  const startups = ['begin', 'rate', 'full'].map((part) => options.get(`maxstartups.${part}`));
  const values = startups.map((part, index) => part?.values[0] ?? ['10', '30', '100'][index] ?? '');
  add('maxstartups', { values: [values.join(':')], source: startups[0]?.source ?? DEFAULT });
  const subsystems = [...options].filter(([name]) => name.startsWith('subsystem.'));
  add('subsystem', {
    values: subsystems.flatMap(([, option]) => option.values),
    source: subsystems[0]?.[1].source ?? DEFAULT,
  });
  const environment = options.get('setenv') ?? { values: [], source: DEFAULT };
  add('setenv', { ...environment, values: environment.values.map((each) => each.split('=', 1)[0] ?? '') });
  if (options.get('unusedconnectiontimeout')?.values[0] === '0')
    add('unusedconnectiontimeout', {
      values: ['none'],
      source: options.get('unusedconnectiontimeout')?.source ?? DEFAULT,
    });
  return settings;
}

function bounded(name: string, { values, source }: Option): SshSetting | undefined {
  const isCleared = name === 'chrootdirectory' || name === 'forcecommand';
  const texts = values
    .map((value) => (isCleared && lowerCase(value) === 'none' ? 'none' : decodeBytes(value)))
    .map((value) => (COMMANDS.has(name) ? redactText(value) : value));
  if (texts.length > MAX_VALUES || texts.some((value) => value.length > MAX_VALUE_LENGTH)) return undefined;
  return { values: texts, source: clip(decodeBytes(source), 4096) };
}
