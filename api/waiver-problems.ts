import { counted } from './format.ts';
import type { ListedWaiver } from './waiver.ts';

/** What is worth a decision. */
export interface WaiverLimits {
  readonly nowMs: number;
  /** A waiver that ends within this time. */
  readonly withinMs: number;
  /** A waiver that accepts more findings. */
  readonly maxFindings: number;
}

const DAY_MS = 86_400_000;

/** Why someone should decide about a waiver, in words; empty: nobody need. */
export function problemsOf(
  { state, expires, findings }: ListedWaiver,
  { nowMs, withinMs, maxFindings }: WaiverLimits,
): readonly string[] {
  const leftMs = Date.parse(`${expires}T00:00:00Z`) + DAY_MS - nowMs;
  return [
    ...(state === 'expired' ? ['expired'] : []),
    ...(state !== 'expired' && leftMs <= withinMs
      ? [`ends in ${counted(Math.max(0, Math.floor(leftMs / DAY_MS)), 'day')}`]
      : []),
    ...(state === 'unused' ? ['accepts nothing'] : []),
    ...(state === 'broad' ? ['accepts more than half of all'] : []),
    ...(findings !== null && findings > maxFindings
      ? [`accepts ${counted(findings, 'finding')}, more than ${String(maxFindings)}`]
      : []),
  ];
}
