import { fromWire, toWire } from '../../proto/finding-codec.ts';
import type { WireFinding } from '../../proto/finding-codec.ts';
import type { Finding } from '../../posture/finding.ts';
import { findingBytes, MAX_PART_BYTES } from './delta-parts.ts';

/** A finding as it is sent, and as the collector will read it. */
export interface FittedFinding {
  readonly wire: WireFinding;
  readonly read: Finding;
}

/**
 * What of a finding goes over the wire: texts within their bounds, and no more evidence than fits one message.
 * Undefined where the collector would refuse it, which is a defect of a check: an invalid identity.
 */
export function fitToWire(finding: Finding): FittedFinding | undefined {
  const wire = toWire(finding);
  while (findingBytes(wire) > MAX_PART_BYTES && (wire.evidence?.length ?? 0) > 0) wire.evidence?.pop();
  const outcome = fromWire(wire);
  return outcome.ok ? { wire, read: outcome.finding } : undefined;
}
