import type { FileFact, FileRole } from '../../fact/file.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement, Severity } from '../../verdict.ts';
import { fileCheck } from '../check.ts';
import type { FileCheck, SeverityLevel } from '../check.ts';
import { quote, unreadAclText } from '../evidence-text.ts';

/** A kind of file with the two checks about it. */
export interface CheckedFile {
  readonly role: FileRole;
  /** The ids are `file.ID-mode` and `file.ID-owner`. */
  readonly id: string;
  /** In titles, at most 30 characters. */
  readonly name: string;
  /** In the remediation, the object of chmod and chown. */
  readonly path: string;
  readonly mode: ModeRule;
  readonly owner: OwnerRule;
}

interface RuleOfFile {
  readonly severity: Severity;
  readonly rationale: string;
  /** A sentence after the command that repairs the file. */
  readonly advice?: string;
  /** Where that command is not the right repair. */
  readonly remediation?: string;
}

/** The rule about the mode of a kind of file. */
export interface ModeRule extends RuleOfFile {
  /** Every bit that may be set, including set-user-ID, set-group-ID and sticky. */
  readonly allowed: number | ((file: FileFact) => number);
  /** A wider mode that does less harm. */
  readonly milder?: SeverityLevel & { readonly allowed: number };
}

/** Without `groups` and `users`, user 0 and group 0 are accepted. */
interface OwnerRule extends RuleOfFile {
  readonly title?: string;
  readonly failTitle?: string;
  /** Names of further groups that may own the file; undefined: they could not be read. */
  readonly groups?: (file: FileFact) => readonly string[] | undefined;
  /** Further user ids that may own it. */
  readonly users?: (file: FileFact) => readonly number[];
}

type Stat = Extract<FileFact['stat'], { state: 'seen' }>['value'];

/** The check that the mode grants nothing beyond `allowed`: `(mode & 07777 & ~allowed) == 0`, bit by bit. */
export function modeCheck({ role, id, name, path, mode: rule }: CheckedFile): FileCheck {
  const { severity, rationale, allowed, milder, advice = '' } = rule;
  const command = typeof allowed === 'number' ? `Run chmod ${octal(allowed)} on ${path}. ${advice}`.trim() : '';
  const levels = milder && [{ severity, when: 'others have access' }, milder];
  return fileCheck({
    id: `file.${id}-mode`,
    title: `Mode is restricted: ${name}`,
    failTitle: `Mode is too open: ${name}`,
    judgedBy: 'effect',
    severity,
    ...(levels && { severityLevels: levels.map(({ severity: each, when }) => ({ severity: each, when })) }),
    rationale,
    remediation: rule.remediation ?? command,
    ...statCheck(role, (file, stat) => {
      const bits = typeof allowed === 'number' ? allowed : allowed(file);
      const evidence = {
        source: place(file, stat),
        seen: `${octal(stat.mode)} ${stat.owner}:${stat.group}${unreadAclText(stat.mode)}`,
        expected: `${octal(bits)} or tighter`,
      };
      const excess = stat.mode & 0o7777 & ~bits;
      if (excess === 0) return pass(evidence);
      const reason = `${quote(file.path)}: ${excessText(excess)}`;
      return milder !== undefined && (excess & ~milder.allowed) === 0
        ? failAs(milder.severity, reason, evidence)
        : fail(reason, evidence);
    }),
  });
}

/** The check that a file belongs to user 0 and group 0, or to whom its rule names. */
export function ownerCheck({ role, id, name, path, owner: rule }: CheckedFile): FileCheck {
  const { severity, rationale, groups, users, advice = '' } = rule;
  return fileCheck({
    id: `file.${id}-owner`,
    title: rule.title ?? `Owner is root: ${name}`,
    failTitle: rule.failTitle ?? `Owner or group is not root: ${name}`,
    judgedBy: 'effect',
    severity,
    rationale,
    remediation: rule.remediation ?? `Run chown root:root on ${path}. ${advice}`.trim(),
    ...statCheck(role, (file, stat) => {
      const further = groups === undefined ? [] : groups(file);
      const groupNames = further ?? [];
      const userIds = users?.(file) ?? [];
      const evidence = {
        source: place(file, stat),
        seen: `${stat.owner}:${stat.group} (${String(stat.uid)}:${String(stat.gid)})`,
        expected: `owner ${['root', ...userIds.map(String)].join(' or ')}, group ${['root', ...(further ?? ['the configured one'])].join(' or ')}`,
      };
      const isOwnerAccepted = stat.uid === 0 || userIds.includes(stat.uid);
      // The private group of an accepted user gives nobody else access.
      const isGroupAccepted = stat.gid === 0 || groupNames.includes(stat.group) || userIds.includes(stat.gid);
      if (isOwnerAccepted && isGroupAccepted) return pass(evidence);
      const wrong = [
        ...(isOwnerAccepted ? [] : [`user ${stat.owner}`]),
        ...(isGroupAccepted ? [] : [`group ${stat.group}`]),
      ];
      if (isOwnerAccepted && further === undefined)
        return unknownBecause(`the configuration that may name group ${quote(stat.group)} could not be read`, evidence);
      return fail(`${quote(file.path)} belongs to ${wrong.join(' and ')}`, evidence);
    }),
  });
}

function statCheck(
  role: FileRole,
  judge: (file: FileFact, stat: Stat) => Judgement,
): Pick<FileCheck, 'references' | 'judges' | 'role' | 'needs' | 'judge'> {
  return {
    references: ['https://man7.org/linux/man-pages/man7/inode.7.html'],
    judges: 'file',
    role,
    needs: [],
    judge: (file) => judgeStat(file, judge),
  };
}

function judgeStat(file: FileFact, judge: (file: FileFact, stat: Stat) => Judgement): Judgement {
  switch (file.stat.state) {
    case 'absent':
      return notApplicable(`${file.path} does not exist`);
    case 'unreadable':
      return unknownBecause(`${file.stat.source}: ${file.stat.reason}`);
    case 'seen':
      // A masked systemd unit is a link to /dev/null, whose owner and mode say nothing about the unit.
      if (file.stat.value.realPath === '/dev/null') return notApplicable(`${file.path} is masked`);
      return judge(file, file.stat.value);
  }
}

/** The permission bits, inode(7), as a sentence: `its group can write, others can read and write`. */
function excessText(bits: number): string {
  const parts = [
    ['others', bits],
    ['its group', bits >> 3],
    ['its owner', bits >> 6],
  ] as const;
  const granted = parts
    .filter(([, rights]) => (rights & 0o7) !== 0)
    .map(([who, rights]) => `${who} can ${rightsText(rights)}`);
  const special = [
    ...((bits & 0o4000) === 0 ? [] : ['set-user-ID is set']),
    ...((bits & 0o2000) === 0 ? [] : ['set-group-ID is set']),
    ...((bits & 0o1000) === 0 ? [] : ['the sticky bit is set']),
  ];
  return [...granted, ...special].join(', ');
}

function rightsText(rights: number): string {
  const names = [
    ...((rights & 0o4) === 0 ? [] : ['read']),
    ...((rights & 0o2) === 0 ? [] : ['write']),
    ...((rights & 0o1) === 0 ? [] : ['execute']),
  ];
  return [names.slice(0, -1).join(', '), names.at(-1) ?? ''].filter((text) => text !== '').join(' and ');
}

function place(file: FileFact, stat: Stat): string {
  return stat.realPath === file.path ? `stat ${file.path}` : `stat ${file.path} -> ${stat.realPath}`;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
