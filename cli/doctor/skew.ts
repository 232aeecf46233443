import { warning } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import { span } from '../../api/format.ts';

/** A date in HTTP has whole seconds, and an answer takes a moment; beyond this, certificates and history suffer. */
const MAX_SKEW_MS = 60_000;

/** What there is to say about the clock of the other end; undefined: nothing, or it does not tell. */
export function judgeSkew(theirMs: number, ownMs: number): DiagnosticResult | undefined {
  const skewMs = ownMs - theirMs;
  if (Number.isNaN(skewMs) || Math.abs(skewMs) <= MAX_SKEW_MS) return undefined;
  return warning(
    `the clock here is ${span(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the collector's`,
    'set both by a time service: certificates are judged by the clock, and history is sorted by it',
  );
}
