import { oneOf } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import { describeDuration, duration } from '../duration.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { isInFuture, RULE_HEAD, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Demands a recent scan. */
export const scanRule = strictObject(
  {
    type: oneOf(['scan']),
    ...RULE_HEAD,
    maxAge: duration('how long ago the packages of the image may have been listed'),
  },
  'The packages of the image were listed recently. `plimsoll gate` lists them itself, except for an SBOM.',
);
/** See {@link scanRule}. */
export type ScanRule = Infer<typeof scanRule>;

/** What the rule has against the image. */
export function judgeScan({ maxAge }: ScanRule, { evidence, now }: JudgeInput): readonly Objection[] {
  const { scannedAt } = evidence;
  const expected = `a scan at most ${describeDuration(maxAge)} ago`;
  const action = 'Scan the image again: plimsoll image scan.';
  if (scannedAt.state === 'absent')
    return [violation({ code: 'scan-missing', actual: 'the image has not been scanned', expected, action })];
  if (scannedAt.state === 'unreadable')
    return [unknown({ code: 'scan-unknown', actual: scannedAt.reason, expected, action })];
  if (isInFuture(scannedAt.value, now))
    return [
      unknown({ code: 'scan-unknown', actual: 'the scan says that it was made in the future', expected, action }),
    ];
  const ageMs = Math.max(0, now - scannedAt.value);
  if (ageMs <= maxAge) return [];
  const actual = `scanned ${describeDuration(ageMs)} ago`;
  return [violation({ code: 'scan-too-old', severity: 'medium', actual, expected, action })];
}
