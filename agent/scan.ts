import type { Check } from '../posture/check/check.ts';
import type { FindingSet } from '../posture/delta.ts';
import type { Facts } from '../posture/fact/facts.ts';
import { judgeAll } from '../posture/judge.ts';
import { observeAll } from './inspector/observe.ts';
import type { NodeAccess } from './node-access.ts';

/** One full round. */
export interface Scan {
  readonly facts: Facts;
  readonly findings: FindingSet;
  readonly durationMs: number;
}

/** Reads everything once and judges it. Needs no collector and loads nothing of the long-running half. */
export async function scanOnce({
  access,
  checks,
}: {
  readonly access: NodeAccess;
  readonly checks: readonly Check[];
}): Promise<Scan> {
  const started = performance.now();
  const facts = await observeAll(access);
  const findings = judgeAll(checks, facts);
  return { facts, findings, durationMs: Math.round(performance.now() - started) };
}
