import { within } from './clock.ts';
import type { Clock } from './clock.ts';

/** ok: as it should be. warning: works, but look at it. problem: does not work. unknown: could not be seen. */
export type Outcome = 'ok' | 'warning' | 'problem' | 'unknown';

/** What came of an examination. */
export interface Examined {
  readonly outcome: Outcome;
  /** What was seen, for people. */
  readonly seen: string;
  /** What to do; empty: nothing. */
  readonly advice: string;
}

/** The parts that examinations are told by, in the order in which people read them. */
export const EXAMINATION_GROUPS = Object.freeze([
  'program',
  'settings',
  'data directory',
  'certificates',
  'operator token',
  'ports',
  'collector',
  'docker',
  'node',
  'time',
  'sinks',
] as const);

/** One of {@link EXAMINATION_GROUPS}. */
export type ExaminationGroup = (typeof EXAMINATION_GROUPS)[number];

/** One thing that can be looked at without changing it. `S`: what is looked at. */
export interface Examination<S> {
  /** `data.directory` */
  readonly id: string;
  readonly group: ExaminationGroup;
  /** At most 20 characters. */
  readonly title: string;
  /** Writes nothing and starts no process. May reject: that is told as `unknown`. */
  readonly examine: (subject: S) => Promise<Examined> | Examined;
}

/** What came of one, with what it was. */
export interface Reported extends Examined, Pick<Examination<unknown>, 'id' | 'group' | 'title'> {}

/** How long one may take, in milliseconds. */
export const EXAMINATION_DEADLINE_MS = 2_000;

/** As it should be. */
export function fine(seen: string): Examined {
  return { outcome: 'ok', seen, advice: '' };
}

/** Works, but not for ever or not as it should. */
export function warning(seen: string, advice: string): Examined {
  return { outcome: 'warning', seen, advice };
}

/** Does not work. */
export function problem(seen: string, advice: string): Examined {
  return { outcome: 'problem', seen, advice };
}

/** Could not be seen: `seen` says why. */
export function unknown(seen: string, advice = ''): Examined {
  return { outcome: 'unknown', seen, advice };
}

/** Carries out all of them at the same time, each within the deadline. The answers come in the given order. */
export function carryOut<S>(
  examinations: readonly Examination<S>[],
  subject: S,
  clock: Clock,
): Promise<readonly Reported[]> {
  return Promise.all(
    examinations.map(async ({ id, group, title, examine }) => {
      const late = (): Examined =>
        unknown(
          `no answer within ${String(EXAMINATION_DEADLINE_MS / 1000)} s`,
          'something hangs there: a disk, or who was asked',
        );
      const work = (async () => examine(subject))().catch(failed);
      return { id, group, title, ...(await within(clock, EXAMINATION_DEADLINE_MS, work, late)) };
    }),
  );
}

function failed(error: unknown): Examined {
  return unknown(`the examination itself failed: ${error instanceof Error ? error.message : String(error)}`);
}

/** The worst of several, with what was seen and advised in all that are as bad; at least one is needed. */
export function worstOf(examined: readonly [Examined, ...Examined[]]): Examined {
  const outcome = SEVERITY.find((candidate) => examined.some((one) => one.outcome === candidate)) ?? 'ok';
  const worst = examined.filter((one) => one.outcome === outcome);
  const join = (texts: readonly string[]): string => [...new Set(texts.filter((text) => text !== ''))].join('; ');
  return { outcome, seen: join(worst.map(({ seen }) => seen)), advice: join(worst.map(({ advice }) => advice)) };
}

/** Worst first. */
const SEVERITY: readonly Outcome[] = Object.freeze(['problem', 'unknown', 'warning', 'ok']);
