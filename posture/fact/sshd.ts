import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** One effective value: what it is and which line decided it (`/etc/ssh/sshd_config:12`, or `default`). */
export const sshSettingSchema = s.object({
  values: s.list(s.string('', 4096), 'one for most keywords; several for those that accumulate', 256),
  source: s.string('`/etc/ssh/sshd_config:12`, `-o on the command line`, or `default`', 4096),
});
/** See {@link sshSettingSchema}. */
export type SshSetting = s.Infer<typeof sshSettingSchema>;

/** The settings under one condition. */
export const sshContextSchema = s.object({
  condition: s.string('empty: outside any Match; otherwise the Match line, `User deploy`', 4096),
  settings: s.record(sshSettingSchema, 'by lower-case keyword; defaults of OpenSSH filled in', 256),
});
/** See {@link sshContextSchema}. */
export type SshContext = s.Infer<typeof sshContextSchema>;

/** The SSH server of the node, read from its configuration as sshd itself would. */
export const sshdSchema = s.object(
  {
    present: observed(
      s.oneOf(['running', 'socketActivated', 'installed']),
      'absent: no configuration, no process, no socket unit',
    ),
    contexts: observed(
      s.list(sshContextSchema, 'first the global one, then one for each Match block', 256),
      'effective settings: first value wins, includes expanded where they stand',
    ),
    files: s.list(s.string('', 4096), 'files that were read, in order', 1024),
    modifiedAtMs: s.integer('newest modification of those files'),
    startedAtMs: s.integer('start of the listening sshd; 0: not running'),
  },
  'the SSH server',
);
/** See {@link sshdSchema}. */
export type SshdFact = s.Infer<typeof sshdSchema>;
