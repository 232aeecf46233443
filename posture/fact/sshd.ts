import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** One effective value: what it is and which line decided it (`/etc/ssh/sshd_config:12`, or `default`). */
export const sshSettingSchema = s.object({
  values: s.list(
    s.string('', 4096),
    'one for most keywords; several for those that accumulate; of SetEnv the names only',
    4096,
  ),
  source: s.string('`/etc/ssh/sshd_config:12`, `-o on the command line`, or `default`', 4096),
});
/** See {@link sshSettingSchema}. */
export type SshSetting = s.Infer<typeof sshSettingSchema>;

/** Keywords that checks judge, as sshd_config(5) writes them: for these, all combinations of Match blocks are listed. */
export const JUDGED_KEYWORDS = [
  'AcceptEnv',
  'AllowAgentForwarding',
  'AllowGroups',
  'AllowStreamLocalForwarding',
  'AllowTcpForwarding',
  'AllowUsers',
  'AuthenticationMethods',
  'AuthorizedKeysCommand',
  'AuthorizedKeysCommandUser',
  'AuthorizedKeysFile',
  'CASignatureAlgorithms',
  'Ciphers',
  'ClientAliveCountMax',
  'ClientAliveInterval',
  'DenyGroups',
  'DenyUsers',
  'DisableForwarding',
  'GatewayPorts',
  'HostKeyAlgorithms',
  'HostbasedAuthentication',
  'IgnoreRhosts',
  'KbdInteractiveAuthentication',
  'KexAlgorithms',
  'LogLevel',
  'LoginGraceTime',
  'MACs',
  'MaxAuthTries',
  'MaxSessions',
  'MaxStartups',
  'PasswordAuthentication',
  'PermitEmptyPasswords',
  'PermitRootLogin',
  'PermitTunnel',
  'PermitUserEnvironment',
  'PerSourcePenalties',
  'PubkeyAcceptedAlgorithms',
  'PubkeyAuthentication',
  'RevokedKeys',
  'StrictModes',
  'TrustedUserCAKeys',
  'UsePAM',
  'X11Forwarding',
] as const;
/** See {@link JUDGED_KEYWORDS}. */
export type JudgedKeyword = (typeof JUDGED_KEYWORDS)[number];

/** The settings under one condition. */
export const sshContextSchema = s.object({
  condition: s.string('empty: outside any Match; otherwise the Match lines, `User deploy and Match Group wheel`', 4096),
  settings: s.record(sshSettingSchema, 'by lower-case keyword; defaults of the installed OpenSSH filled in', 256),
});
/** See {@link sshContextSchema}. */
export type SshContext = s.Infer<typeof sshContextSchema>;

/** Would sshd start with its configuration? */
export const sshdLoadSchema = s.object({
  accepted: s.boolean('false: sshd refuses it, and does not start again'),
  reason: s.string('why sshd refuses it; no text of the file; empty where it is accepted', 4096),
});

/** The SSH server of the node, read from its configuration as sshd itself does. */
export const sshdSchema = s.object(
  {
    present: observed(
      s.oneOf(['running', 'socketActivated', 'enabled', 'installed']),
      'enabled: its service starts at boot; installed: it neither runs nor is enabled; absent: no configuration, no process, no unit',
    ),
    version: observed(
      s.string('`OpenSSH_10.0p2 Debian-7`', 256),
      'version in the program, or of its package where the program cannot be read; decides the defaults',
    ),
    loads: observed(sshdLoadSchema, 'does sshd accept the configuration? The source is the line that it refuses'),
    contexts: observed(
      s.list(
        sshContextSchema,
        'first the global one, then one for each different outcome of Match blocks that can hold together',
        256,
      ),
      'effective settings: first value wins, includes expanded where they are named',
    ),
    files: s.list(s.string('', 4096), 'files that were read, in order', 1024),
    modifiedAtMs: s.integer('newest modification of those files'),
    startedAtMs: s.integer('start of the listening sshd; 0: not running'),
  },
  'the SSH server',
);
/** See {@link sshdSchema}. */
export type SshdFact = s.Infer<typeof sshdSchema>;
