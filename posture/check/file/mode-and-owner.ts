import type { FileFact, FileRole } from '../../fact/file.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement, Severity } from '../../verdict.ts';
import { fileCheck } from '../check.ts';
import type { FileCheck, RuleText } from '../check.ts';

type Stat = Extract<FileFact['stat'], { state: 'seen' }>['value'];

interface FileText extends RuleText {
  readonly role: FileRole;
}

/** What a mode check says beside its texts. `allowed` holds every bit that may be set, set-id and sticky bits too. */
export interface ModeCheckText extends FileText {
  readonly allowed: number | ((file: FileFact) => number);
  /** Modes that break the rule without doing the harm: a bit mask, and the severity then. */
  readonly milder?: { readonly allowed: number; readonly severity: Severity };
}

/** What an owner check says beside its texts. Without `groups`, only group 0 is accepted. */
export interface OwnerCheckText extends FileText {
  /** Names of groups that may own the file besides root. */
  readonly groups?: (file: FileFact) => readonly string[];
  /** User ids that may own it besides 0. */
  readonly users?: (file: FileFact) => readonly number[];
}

/** A check that a file grants nothing beyond `allowed`: `(mode & 07777 & ~allowed) == 0`, bit by bit. */
export function modeCheck({ allowed, milder, ...text }: ModeCheckText): FileCheck {
  return statCheck(text, (file, stat) => {
    const bits = typeof allowed === 'number' ? allowed : allowed(file);
    const evidence = {
      source: place(file, stat),
      seen: `${octal(stat.mode)} ${stat.owner}:${stat.group}`,
      expected: `${octal(bits)} or tighter`,
    };
    if (grantsOnly(stat.mode, bits)) return pass(evidence);
    if (milder !== undefined && grantsOnly(stat.mode, milder.allowed)) return failAs(milder.severity, evidence);
    return fail(evidence);
  });
}

/** A check that a file belongs to user 0 and group 0, or to whom the check names. */
export function ownerCheck({ groups, users, ...text }: OwnerCheckText): FileCheck {
  return statCheck(text, (file, stat) => {
    const groupNames = groups?.(file) ?? [];
    const userIds = users?.(file) ?? [];
    const evidence = {
      source: place(file, stat),
      seen: `${stat.owner}:${stat.group} (${String(stat.uid)}:${String(stat.gid)})`,
      expected: `owner ${['root', ...userIds.map(String)].join(' or ')}, group ${['root', ...groupNames].join(' or ')}`,
    };
    const ownerFits = stat.uid === 0 || userIds.includes(stat.uid);
    // The private group of an accepted user gives nobody else anything.
    const groupFits = stat.gid === 0 || groupNames.includes(stat.group) || userIds.includes(stat.gid);
    return ownerFits && groupFits ? pass(evidence) : fail(evidence);
  });
}

function statCheck(text: FileText, judge: (file: FileFact, stat: Stat) => Judgement): FileCheck {
  return fileCheck({
    ...text,
    references: ['https://man7.org/linux/man-pages/man7/inode.7.html'],
    judges: 'file',
    needs: [],
    judge: (file) => judgeStat(file, judge),
  });
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

function grantsOnly(mode: number, allowed: number): boolean {
  return (mode & 0o7777 & ~allowed) === 0;
}

function place(file: FileFact, stat: Stat): string {
  return stat.realPath === file.path ? `stat ${file.path}` : `stat ${file.path} -> ${stat.realPath}`;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
