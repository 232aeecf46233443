import type { ContainerFact, SeccompSummary } from '../fact/container.ts';
import { fail, failAs } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { quote } from './evidence-text.ts';

/** `Seccomp:` in `/proc/PID/status`, by mode: proc(5). */
const WORDS = { disabled: 'Seccomp: 0', strict: 'Seccomp: 1', filter: 'Seccomp: 2' } as const;

/** The kernel's line about the weakest thread; none where it was not seen. */
export function seccompEvidence({ seccomp }: ContainerFact): readonly Evidence[] {
  if (seccomp.state !== 'seen') return [];
  const { mode, weakest } = seccomp.value;
  return [{ source: weakest, seen: WORDS[mode], expected: 'Seccomp: 2 on every thread' }];
}

/** A failure if the profile allows most of what the default profile withholds; undefined if it is effective. */
export function judgeSummary(
  { withheld, allowed }: SeccompSummary,
  profile: string,
  evidence: readonly Evidence[],
): Judgement | undefined {
  if (withheld === 0) return fail(`${profile} allows every dangerous system call`, ...evidence);
  return withheld < allowed.length
    ? failAs('medium', `${profile} allows most dangerous system calls`, ...evidence)
    : undefined;
}

/** `SCMP_ACT_ALLOW, withholds 0 of 27 dangerous system calls` */
export function summaryText({ defaultAction, withheld, allowed }: SeccompSummary): string {
  const total = String(withheld + allowed.length);
  return `${quote(defaultAction)}, withholds ${String(withheld)} of ${total} dangerous system calls`;
}
