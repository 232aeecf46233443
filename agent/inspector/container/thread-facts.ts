import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import { clip } from '../clip.ts';
import type { CapabilityWords } from '../proc/proc-status.ts';
import type { ThreadProblem, ThreadReading } from './threads.ts';

const MAX_PROGRAMS = 4096;

/** From weak to strong: no filter, a filter, nothing but read, write and exit. */
const STRENGTH = { 0: 0, 2: 1, 1: 2 } as const;
const MODES = { 0: 'disabled', 1: 'strict', 2: 'filter' } as const;

/** What the threads of a container say together. */
export type ThreadFacts = Pick<ContainerFact, 'seccomp' | 'noNewPrivs' | 'programs'>;

/**
 * The weakest seccomp mode, and no_new_privs only where every thread has it: one thread that is less confined is enough
 * for an attacker.
 */
export function toThreadFacts(threads: readonly ThreadReading[], problem: ThreadProblem | undefined): ThreadFacts {
  const first = threads[0];
  if (first === undefined) {
    const nothing = noThread(problem);
    return { seccomp: nothing, noNewPrivs: nothing, programs: nothing };
  }
  const programs = new Set<string>();
  for (const { names, executable } of threads)
    for (const name of executable === '' ? names : [executable, ...names])
      if (programs.size < MAX_PROGRAMS) programs.add(clip(name, 64));
  return {
    seccomp: weakestSeccomp(threads, first),
    noNewPrivs: noNewPrivs(threads, first),
    programs: seen([...programs], statusOf(first)),
  };
}

function noThread(problem: ThreadProblem | undefined): Observed<never> {
  return unreadable(problem?.path ?? '/proc', problem?.reason ?? 'no live thread was seen');
}

function statusOf({ directory }: ThreadReading): string {
  return `${directory}/status`;
}

function weakestSeccomp(threads: readonly ThreadReading[], first: ThreadReading): ContainerFact['seccomp'] {
  let weakest: { readonly mode: 0 | 1 | 2; readonly filters: number; readonly path: string } | undefined;
  for (const thread of threads) {
    const { status } = thread;
    const { seccomp: mode, filters } = status;
    if (mode === undefined) continue;
    const isWeaker =
      weakest === undefined ||
      STRENGTH[mode] < STRENGTH[weakest.mode] ||
      (mode === weakest.mode && filters < weakest.filters);
    if (isWeaker) weakest = { mode, filters, path: statusOf(thread) };
  }
  // Without the line the kernel has no seccomp at all, and then no thread has it.
  if (weakest === undefined) return absent(statusOf(first));
  const { mode, filters, path } = weakest;
  return seen({ mode: MODES[mode], filters, threads: countThreads(threads), weakest: path }, path);
}

/** The number of threads behind these readings; identical threads share one. */
export function countThreads(threads: readonly ThreadReading[]): number {
  return threads.reduce((sum, { alike }) => sum + alike, 0);
}

function noNewPrivs(threads: readonly ThreadReading[], first: ThreadReading): Observed<boolean> {
  for (const thread of threads) {
    if (thread.status.noNewPrivs === undefined)
      return unreadable(statusOf(thread), 'this kernel does not say (no line NoNewPrivs)');
    if (!thread.status.noNewPrivs) return seen(false, statusOf(thread));
  }
  return seen(true, statusOf(first));
}

/** The union of the capability sets of some threads; the source is the last one that has what none before it had. */
export function joinCapabilities(
  threads: readonly ThreadReading[],
  problem: ThreadProblem | undefined,
): ContainerFact['capabilities'] {
  const first = threads[0];
  if (first === undefined) return noThread(problem);
  let union = first.status.capabilities;
  let source = statusOf(first);
  for (const thread of threads) {
    const wider = joined(union, thread.status.capabilities);
    if (wider === union) continue;
    union = wider;
    source = statusOf(thread);
  }
  const { inheritable, permitted, effective, bounding, ambient } = union;
  return seen({ effective, permitted, inheritable, bounding, ambient }, source);
}

/** The union of two; the first object itself where the second adds nothing. */
function joined(one: CapabilityWords, other: CapabilityWords): CapabilityWords {
  const wider = {
    inheritable: or(one.inheritable, other.inheritable),
    permitted: or(one.permitted, other.permitted),
    effective: or(one.effective, other.effective),
    bounding: or(one.bounding, other.bounding),
    ambient: or(one.ambient, other.ambient),
  };
  const adds =
    wider.inheritable !== one.inheritable ||
    wider.permitted !== one.permitted ||
    wider.effective !== one.effective ||
    wider.bounding !== one.bounding ||
    wider.ambient !== one.ambient;
  return adds ? wider : one;
}

function or(one: string, other: string): string {
  if (one === other) return one;
  const width = Math.max(one.length, other.length);
  return (BigInt(`0x${one}`) | BigInt(`0x${other}`)).toString(16).padStart(width, '0');
}
