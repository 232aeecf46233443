import type { Finding, Subject } from '../../posture/finding.ts';
import { severityRank, VERDICTS } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { didYouMean } from '../../service/nearest.ts';
import type { Arguments } from '../arguments.ts';

/** Which findings of a scan are selected. Lists are alternatives; an empty one matches all. */
export interface Selection {
  readonly checks: readonly string[];
  /** Ids or names of subjects of any kind; the id of a container may be shortened to 4 or more digits. */
  readonly subjects: readonly string[];
  readonly containers: readonly string[];
  readonly verdicts: readonly Verdict[];
  readonly severities: readonly Severity[];
}

/** The selection that the options of `scan` and `findings` ask for; their values were checked. */
export function selectionOf(args: Arguments): Selection {
  return {
    checks: args.values('check'),
    subjects: args.values('subject'),
    containers: args.values('container'),
    verdicts: args.values('verdict') as readonly Verdict[],
    severities: args.values('severity') as readonly Severity[],
  };
}

/** Is it about what was asked for, whatever the answer? */
export function isAbout({ checks, subjects, containers }: Selection, finding: Finding): boolean {
  if (checks.length > 0 && !checks.some((check) => isCheck(check, finding.check))) return false;
  if (subjects.length === 0 && containers.length === 0) return true;
  if (subjects.some((word) => isSubject(word, finding.subject))) return true;
  return finding.subject.kind === 'container' && containers.some((word) => isSubject(word, finding.subject));
}

/** Is it of a verdict and a severity that was asked for? `verdicts` is used where none was. */
export function isAnswer({ verdicts, severities }: Selection, finding: Finding, preset: readonly Verdict[]): boolean {
  const wanted = verdicts.length > 0 ? verdicts : preset;
  return wanted.includes(finding.verdict) && (severities.length === 0 || severities.includes(finding.severity));
}

/** Does a failure among `findings` reach `threshold`? */
export function reaches(threshold: Severity, findings: Iterable<Finding>): boolean {
  for (const { verdict, severity } of findings)
    if (verdict === 'fail' && severityRank(severity) <= severityRank(threshold)) return true;
  return false;
}

/**
 * What is wrong with a subject or container that no finding is about. `unlisted`: why the containers could not be listed,
 * undefined where they could; whether one exists is not known then.
 */
export function unknownSubject(
  args: Arguments,
  judged: readonly Finding[],
  unlisted: string | undefined,
): string | undefined {
  for (const option of ['container', 'subject'])
    for (const word of args.values(option)) {
      const isContainer = option === 'container';
      const possible = judged.filter(({ subject }) => !isContainer || subject.kind === 'container');
      if (possible.some((finding) => isSubject(word, finding.subject))) continue;
      const names = possible.map(({ subject }) => subject.name);
      const claim =
        unlisted === undefined
          ? `no ${isContainer ? 'container' : 'subject'} has the name or id ${JSON.stringify(word)}`
          : `nothing was found about ${JSON.stringify(word)}, but the containers could not be listed (${unlisted})`;
      return claim + didYouMean(word, names);
    }
  return undefined;
}

/** Every verdict. */
export const ALL_VERDICTS: readonly Verdict[] = VERDICTS;

/** `ssh` means all of its area, `ssh.root-login` the one. */
function isCheck(wanted: string, check: string): boolean {
  return check === wanted || (!wanted.includes('.') && check.startsWith(`${wanted}.`));
}

/** Does `wanted` name this subject: by its name or id, for a container also by 4 or more digits of the id? */
export function isSubject(wanted: string, { kind, id, name }: Subject): boolean {
  if (wanted === id || wanted === name) return true;
  return kind === 'container' && /^[0-9a-f]{4,64}$/.test(wanted) && id.startsWith(wanted);
}
