import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { outcomeOf } from '../../policy/decide.ts';
import type { Decision } from '../../policy/decide.ts';
import type { Reason, ReasonCode } from '../../policy/reason.ts';
import { list, object, oneOf, string } from '../../posture/schema.ts';
import type { Parsed } from '../../posture/schema.ts';
import { fingerprintOf, GATE_RESULT } from './report.ts';

const MAX_BASELINE_BYTES = 64 * 1024 * 1024;

const entry = object({ fingerprint: string('', 64), kind: oneOf(['violation', 'unknown']) });
const schema = object({
  kind: oneOf([GATE_RESULT]),
  reasons: list(entry, '', 100_000),
  known: list(entry, '', 100_000),
});

/** What a baseline can excuse: what is in the image. Where an image comes from must be right each time. */
const EXCUSABLE: ReadonlySet<ReasonCode> = new Set([
  'check-failed',
  'distribution-end-of-life',
  'environment-secret',
  'image-too-old',
  'package-forbidden',
  'setuid-file',
  'vulnerability',
]);

/** The fingerprints of the violations of an earlier `plimsoll gate -o json`. */
export async function readBaseline(path: string): Promise<Parsed<ReadonlySet<string>>> {
  const file = await readBoundedText(path, MAX_BASELINE_BYTES);
  if (!file.ok) return { ok: false, problem: file.reason };
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch {
    return { ok: false, problem: 'is not JSON' };
  }
  const parsed = schema.parse(value);
  if (!parsed.ok) return { ok: false, problem: `is not a result of plimsoll gate -o json: ${parsed.problem}` };
  const violations = [...parsed.value.reasons, ...parsed.value.known].filter(({ kind }) => kind === 'violation');
  return { ok: true, value: new Set(violations.map(({ fingerprint }) => fingerprint)) };
}

/** A decision in which violations of the baseline do not count, and those violations. */
export function applyBaseline(
  decision: Decision,
  baseline: ReadonlySet<string>,
): { readonly decision: Decision; readonly known: readonly Reason[] } {
  const isKnown = (reason: Reason): boolean =>
    reason.kind === 'violation' && EXCUSABLE.has(reason.code) && baseline.has(fingerprintOf(reason));
  const known = decision.reasons.filter(isKnown);
  const reasons = decision.reasons.filter((reason) => !isKnown(reason));
  return { decision: { ...decision, reasons, outcome: outcomeOf(reasons) }, known };
}
