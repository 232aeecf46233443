import { warning } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import { span } from '../../api/format.ts';

/** HTTP dates have whole seconds, and a request takes time. */
const MAX_SKEW_MS = 60_000;

/** A warning where the clocks of this machine and of the collector differ; undefined: they agree, or its clock is not known. */
export function judgeSkew(theirMs: number, ownMs: number): DiagnosticResult | undefined {
  const skewMs = ownMs - theirMs;
  if (Number.isNaN(skewMs) || Math.abs(skewMs) <= MAX_SKEW_MS) return undefined;
  return warning(
    `the clock here is ${span(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the collector's`,
    'synchronise both by NTP: certificates are judged and history is sorted by the clock',
  );
}
