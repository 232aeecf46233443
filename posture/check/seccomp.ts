import type { ContainerFact } from '../fact/container.ts';
import type { Evidence } from '../verdict.ts';

/** `Seccomp:` in `/proc/PID/status`, by mode: proc(5). */
const WORDS = { disabled: 'Seccomp: 0', strict: 'Seccomp: 1', filter: 'Seccomp: 2' } as const;

/** The kernel's line about the weakest thread; none where it was not seen. */
export function seccompEvidence({ seccomp }: ContainerFact): readonly Evidence[] {
  if (seccomp.state !== 'seen') return [];
  const { mode, weakest } = seccomp.value;
  return [{ source: weakest, seen: WORDS[mode], expected: 'Seccomp: 2 on every thread' }];
}
