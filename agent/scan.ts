import type { Check } from '../posture/check/check.ts';
import type { Facts } from '../posture/fact/facts.ts';
import type { Finding } from '../posture/finding.ts';
import { judgeAll } from '../posture/judge.ts';
import { observeAll } from './inspector/observe.ts';
import type { NodeAccess } from './node-access.ts';

/** What one look at a node gave. */
export interface Scan {
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  readonly durationMs: number;
}

/** Reads and judges a node once, live or recorded. Loads nothing that only long-running programs need. */
export async function scanOnce({
  access,
  checks,
}: {
  readonly access: NodeAccess;
  readonly checks: readonly Check[];
}): Promise<Scan> {
  const startedMs = performance.now();
  const facts = await observeAll(access);
  const findings = [...judgeAll(checks, facts).values()];
  return { facts, findings, durationMs: performance.now() - startedMs };
}
