import { status } from '@grpc/grpc-js';
import { COLLECTOR_CHECK_IDS } from '../../posture/check/registry.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { fromWire } from '../../proto/finding-codec.ts';
import { MAX_FINDINGS_PER_MESSAGE } from '../../proto/fleet.ts';
import type { FindingDelta } from '../../proto/fleet.ts';
import { packFinding } from '../store/row.ts';
import type { PackedFinding } from '../store/store.ts';
import type { Ending } from './wire.ts';

/** A delta of which all parts are there. */
export interface WholeDelta {
  readonly sequence: number;
  readonly snapshot: boolean;
  readonly put: readonly PackedFinding[];
  readonly gone: readonly string[];
  readonly observedAtMs: number;
}

/** What came of a part: more are needed, the delta is whole, or the session must end. */
export type Assembled =
  | { readonly state: 'partial' }
  | { readonly state: 'whole'; readonly delta: WholeDelta }
  | { readonly state: 'refused'; readonly ending: Ending };

/** Puts the deltas of one session together. */
export interface DeltaReassembler {
  /** Takes the next part, which took `bytes` on the wire. */
  readonly add: (part: FindingDelta, bytes: number) => Assembled;
  /** Forgets the unfinished delta, when the session is over. */
  readonly release: () => void;
}

/** Bytes of unfinished deltas of all sessions together. */
export interface PartialBudget {
  bytes: number;
}

/** Bounds; see SessionSettings. */
export interface ReassemblyLimits {
  readonly maxDeltaFindings: number;
  readonly maxDeltaBytes: number;
  readonly maxPartialBytes: number;
}

interface Unfinished {
  readonly sequence: number;
  readonly snapshot: boolean;
  readonly put: PackedFinding[];
  readonly gone: string[];
  parts: number;
  bytes: number;
}

/** An id is check (128) and kind beside a subject id of at most 4,096 bytes. */
const MAX_GONE_ID = 4096 + 256;

/** A reassembler for one session; `budget` is shared by all. */
export function createDeltaReassembler(bounds: ReassemblyLimits, budget: PartialBudget): DeltaReassembler {
  let unfinished: Unfinished | undefined;
  const release = (): void => {
    budget.bytes -= unfinished?.bytes ?? 0;
    unfinished = undefined;
  };
  return {
    release,
    add: (part, bytes) => {
      const begun = begin(unfinished, part);
      if (typeof begun === 'string') return invalid(begun);
      unfinished = begun;
      begun.bytes += bytes;
      budget.bytes += bytes;
      const problem = addFindings(begun, part);
      if (problem !== undefined) return invalid(problem);
      const excess = excessOf(begun, bounds, budget);
      if (excess !== undefined) return refused(status.RESOURCE_EXHAUSTED, excess);
      if (part.last !== true) return { state: 'partial' };
      const { sequence, snapshot, put, gone } = begun;
      release();
      return { state: 'whole', delta: { sequence, snapshot, put, gone, observedAtMs: timeOf(part) } };
    },
  };
}

/** The delta that a part belongs to, or what is wrong with it. */
function begin(unfinished: Unfinished | undefined, part: FindingDelta): Unfinished | string {
  const { sequence = 0, part: index = 0, snapshot } = part;
  if (sequence === null || !Number.isSafeInteger(sequence) || sequence < 1) return 'a delta has no valid sequence';
  if (unfinished === undefined) {
    if (index !== 0) return `delta ${String(sequence)} begins with part ${String(index)}`;
    return { sequence, snapshot: snapshot === true, put: [], gone: [], parts: 1, bytes: 0 };
  }
  if (sequence !== unfinished.sequence || index !== unfinished.parts)
    return `part ${String(unfinished.parts)} of delta ${String(unfinished.sequence)} is missing`;
  if ((snapshot === true) !== unfinished.snapshot) return `delta ${String(sequence)} is a snapshot in part only`;
  unfinished.parts += 1;
  return unfinished;
}

/** Undefined if all is well. A finding that cannot be read is a defect of the agent: the whole delta is refused. */
function addFindings(delta: Unfinished, { put, gone }: FindingDelta): string | undefined {
  const [puts, gones] = [put ?? [], gone ?? []];
  if (puts.length > MAX_FINDINGS_PER_MESSAGE || gones.length > MAX_FINDINGS_PER_MESSAGE)
    return `a message has more than ${String(MAX_FINDINGS_PER_MESSAGE)} findings`;
  for (const [index, wire] of puts.entries()) {
    const read = fromWire(wire);
    if (!read.ok) return `finding ${String(index)} of delta ${String(delta.sequence)}: ${read.problem}`;
    if (COLLECTOR_CHECK_IDS.has(read.finding.check))
      return `only the collector makes findings of ${read.finding.check}`;
    delta.put.push(packFinding(read.finding));
  }
  for (const id of gones) {
    if (!isFindingId(id)) return `delta ${String(delta.sequence)} says that something is gone that is no finding`;
    delta.gone.push(id);
  }
  return undefined;
}

function isFindingId(id: string): boolean {
  const [check = '', kind] = id.split('/', 2);
  if (COLLECTOR_CHECK_IDS.has(check)) return false;
  return id.length <= MAX_GONE_ID && check !== '' && SUBJECT_KINDS.some((known) => known === kind);
}

function excessOf(delta: Unfinished, bounds: ReassemblyLimits, budget: PartialBudget): string | undefined {
  const name = `delta ${String(delta.sequence)}`;
  if (delta.put.length + delta.gone.length > bounds.maxDeltaFindings)
    return `${name} has more than ${String(bounds.maxDeltaFindings)} findings`;
  if (delta.bytes > bounds.maxDeltaBytes) return `${name} has more than ${String(bounds.maxDeltaBytes)} bytes`;
  if (budget.bytes > bounds.maxPartialBytes) return 'too many unfinished deltas, try again later';
  return undefined;
}

function timeOf({ observedAtMs }: FindingDelta): number {
  return Number.isSafeInteger(observedAtMs) ? Number(observedAtMs) : 0;
}

function invalid(details: string): Assembled {
  return refused(status.INVALID_ARGUMENT, details);
}

function refused(code: number, details: string): Assembled {
  return { state: 'refused', ending: { code, details } };
}
