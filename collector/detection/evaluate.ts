import { hash } from 'node:crypto';
import { isNeverStarted } from '../../posture/judge.ts';
import { severityRank } from '../../posture/verdict.ts';
import type { Evidence, Severity, Verdict } from '../../posture/verdict.ts';
import type { Trigger } from './rules.ts';

/** One thing that a rule looks for: a failure of some severity, a piece of evidence, or the subject itself. */
interface Item {
  readonly key: string;
  readonly isOn: boolean;
  /** When it was last a detection, on the clock of the collector; 0: it was there when the node was first seen. */
  readonly atMs: number;
}

/** What a rule knows of one finding. */
export interface DetectionState {
  readonly items: readonly Item[];
  /** The baseline could not be read: what is read first belongs to it. */
  readonly isPending?: true;
}

/** What a finding says now; undefined: it is gone. */
export interface Observed {
  readonly verdict: Verdict;
  readonly severity: Severity;
  readonly evidence: readonly Evidence[];
}

/** What came of an observation. */
export interface Evaluation {
  readonly state: DetectionState;
  /** The evidence of what is new; undefined: nothing is. */
  readonly fresh: readonly Evidence[] | undefined;
  /** Items that came back so soon after their last detection that they are not detected again. */
  readonly repeated: number;
}

/** An item that was off comes back without a detection within this time: a flapping state fills no outbox. */
export const FLAP_MS = 10 * 60_000;
/** Items of a finding: evidence has a bound too, and what is off is forgotten after {@link FLAP_MS}. */
const MAX_ITEMS = 1024;

/**
 * Compares a finding with what is known of it. What could not be read (`unknown`) ends no state, and is a detection only
 * where its evidence names items of a list: what one account hides must not hide what happens to another. `isBaseline`:
 * the finding is the first that the collector gets, so what it says was there.
 */
export function evaluate(
  trigger: Trigger,
  before: DetectionState | undefined,
  {
    now,
    atMs,
    isBaseline,
  }: { readonly now: Observed | undefined; readonly atMs: number; readonly isBaseline: boolean },
): Evaluation {
  const known = new Map((before?.items ?? []).map((item) => [item.key, item]));
  const present = now === undefined ? new Map<string, readonly Evidence[]>() : presentItems(trigger, now);
  const isOfBaseline = isBaseline || before?.isPending === true;
  if (present === undefined) {
    const pending = isOfBaseline && trigger.on === 'failure' ? ({ isPending: true } as const) : {};
    return { state: { items: [...known.values()], ...pending }, fresh: undefined, repeated: 0 };
  }
  const worst = trigger.on === 'failure' ? worstOf(known.values()) : Infinity;
  const items: Item[] = [];
  const fresh: Evidence[] = [];
  let [isFresh, repeated] = [false, 0];
  for (const [key, evidence] of present) {
    const item = known.get(key);
    known.delete(key);
    const isOn = item?.isOn === true || (trigger.on === 'failure' && severityRank(key as Severity) >= worst);
    if (isOn || isOfBaseline) items.push({ key, isOn: true, atMs: item?.atMs ?? 0 });
    else if (item !== undefined && item.atMs > 0 && atMs - item.atMs < FLAP_MS) {
      repeated += 1;
      items.push({ key, isOn: true, atMs: item.atMs });
    } else {
      isFresh = true;
      fresh.push(...evidence);
      items.push({ key, isOn: true, atMs });
    }
  }
  // Of a list that could be read in part only, what is missing can be there still.
  const isPart = now?.verdict === 'unknown' && trigger.on === 'evidence';
  if (isPart) for (const item of known.values()) items.push(item);
  const gone = (isPart ? [] : [...known.values()])
    .filter((item) => atMs - item.atMs < FLAP_MS)
    .map(({ key, atMs: lastMs }) => ({ key, isOn: false, atMs: lastMs }));
  return { state: { items: [...items, ...gone].slice(0, MAX_ITEMS) }, fresh: isFresh ? fresh : undefined, repeated };
}

/** The items of a finding with their evidence; undefined where it says nothing about them. */
function presentItems(trigger: Trigger, now: Observed): ReadonlyMap<string, readonly Evidence[]> | undefined {
  const { verdict, severity, evidence } = now;
  if (trigger.on === 'appearance') return new Map([['present', evidence]]);
  const itemsOf = trigger.on === 'evidence' ? trigger.itemsOf : undefined;
  if (verdict === 'unknown' && itemsOf === undefined) return undefined;
  const fails = (from: Severity): boolean => verdict === 'fail' && severityRank(severity) <= severityRank(from);
  // A container that was only created is reported when it starts.
  if (trigger.on === 'failure')
    return new Map(fails(trigger.from) && !isNeverStarted(evidence) ? [[severity, evidence]] : []);
  if (trigger.from !== undefined && !fails(trigger.from)) return new Map();
  const present = new Map<string, readonly Evidence[]>();
  for (const piece of evidence) {
    const names = itemsOf?.(piece) ?? [`${piece.source}\n${piece.seen}`];
    for (const name of names)
      present.set(hash('sha256', name, 'hex').slice(0, 16), [names.length === 1 ? piece : { ...piece, seen: name }]);
  }
  return present;
}

/** The smallest rank of what is on: a failure that gets milder is no new one. */
function worstOf(items: Iterable<Item>): number {
  let worst = Infinity;
  for (const { key, isOn } of items) if (isOn) worst = Math.min(worst, severityRank(key as Severity));
  return worst;
}
