import type { SeccompSummary } from '../../../posture/fact/container.ts';
import * as s from '../../../posture/schema.ts';

/** A larger text is no profile: the default one of the engine has some 15 KB. */
const MAX_PROFILE_CHARACTERS = 1024 * 1024;

/**
 * System calls that the default profile of Docker withholds from a container without further capabilities, and that
 * affect the whole host: docs.docker.com/engine/security/seccomp.
 */
const WITHHELD: readonly string[] = [
  'acct',
  'add_key',
  'bpf',
  'delete_module',
  'finit_module',
  'fsopen',
  'init_module',
  'ioperm',
  'iopl',
  'kexec_file_load',
  'kexec_load',
  'keyctl',
  'mount',
  'move_mount',
  'open_by_handle_at',
  'open_tree',
  'perf_event_open',
  'pivot_root',
  'quotactl',
  'reboot',
  'request_key',
  'setns',
  'swapoff',
  'swapon',
  'umount2',
  'unshare',
  'userfaultfd',
];

const names = s.withDefault(s.list(s.string('', 64)), []);
const conditions = s.nullable(s.object({ caps: names }));

/** The format of `docker run --security-opt seccomp=FILE`; a single `name` is its older form. */
const profileSchema = s.object({
  defaultAction: s.string('', 64),
  syscalls: s.withDefault(
    s.list(
      s.object({
        name: s.withDefault(s.string('', 64), ''),
        names,
        action: s.string('', 64),
        args: s.withDefault(s.list(s.unknown()), []),
        includes: conditions,
        excludes: conditions,
      }),
    ),
    [],
  ),
});
type Rule = s.Infer<typeof profileSchema>['syscalls'][number];

/** What a custom profile withholds; null where its text cannot be parsed. */
export function summarizeProfile(text: string): SeccompSummary | null {
  if (text.length > MAX_PROFILE_CHARACTERS) return null;
  try {
    return summarizeParsedProfile(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The same for a profile that is part of a larger JSON text; null if it is not a profile. */
export function summarizeParsedProfile(value: unknown): SeccompSummary | null {
  const parsed = profileSchema.parse(value);
  if (!parsed.ok) return null;
  const profile = parsed.value;
  const allowedBy = new Set<string>();
  const deniedBy = new Set<string>();
  for (const rule of profile.syscalls)
    if (isUnconditional(rule))
      for (const name of rule.name === '' ? rule.names : [rule.name])
        (allows(rule.action) ? allowedBy : deniedBy).add(name);
  const isDefault = allows(profile.defaultAction);
  const allowed = WITHHELD.filter((name) => allowedBy.has(name) || (isDefault && !deniedBy.has(name)));
  return { defaultAction: profile.defaultAction, allowed, withheld: WITHHELD.length - allowed.length };
}

/** SCMP_ACT_LOG lets the call through; all other actions than these two do not. */
function allows(action: string): boolean {
  return action === 'SCMP_ACT_ALLOW' || action === 'SCMP_ACT_LOG';
}

/** One that allows with conditions (arguments, capabilities) withholds the rest; one that withholds with them does not. */
function isUnconditional({ action, args, includes, excludes }: Rule): boolean {
  if (args.length > 0) return false;
  if ((includes?.caps.length ?? 0) > 0) return false;
  return !allows(action) || (excludes?.caps.length ?? 0) === 0;
}
