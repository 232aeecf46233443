import { MAX_FINDINGS_PER_MESSAGE, MAX_MESSAGE_BYTES } from '../../proto/fleet.ts';
import type { FindingDelta } from '../../proto/fleet.ts';
import type { WireFinding } from '../../proto/finding-codec.ts';

/** Bytes of a message besides its findings. */
const ENVELOPE_BYTES = 1024;
/** Most bytes of findings, or of identities, in one part. */
export const MAX_PART_BYTES = MAX_MESSAGE_BYTES - ENVELOPE_BYTES;
/** What a field costs beside its text: its tag, and its length in up to four bytes. */
const FIELD_BYTES = 5;

/** What a delta says; its findings may be made while it is sent. */
export interface DeltaContent {
  readonly sequence: number;
  readonly snapshot: boolean;
  readonly put: Iterable<WireFinding>;
  readonly gone: Iterable<string>;
  readonly observedAtMs: number;
}

/**
 * The messages of one delta, in order: each within the bounds of fleet.proto, the final one marked `last`. There is
 * always at least one. Parts are made one at a time, as they are taken.
 */
export function* deltaParts({ sequence, snapshot, put, gone, observedAtMs }: DeltaContent): Generator<FindingDelta> {
  let part = 0;
  let puts: WireFinding[] = [];
  let gones: string[] = [];
  let bytes = 0;
  const flush = (last: boolean): FindingDelta => {
    const message = { sequence, part, last, snapshot, put: puts, gone: gones, observedAtMs };
    [puts, gones, bytes] = [[], [], 0];
    part += 1;
    return message;
  };
  const isFull = (more: number): boolean =>
    puts.length + gones.length >= MAX_FINDINGS_PER_MESSAGE || bytes + more > MAX_PART_BYTES;
  for (const id of gone) {
    const more = textBytes(id);
    if (isFull(more)) yield flush(false);
    gones.push(id);
    bytes += more;
  }
  for (const finding of put) {
    const more = findingBytes(finding);
    if (isFull(more)) yield flush(false);
    puts.push(finding);
    bytes += more;
  }
  yield flush(true);
}

/** An upper bound of what a finding takes on the wire, in bytes. */
export function findingBytes({ check, title, subject, evidence, reason }: WireFinding): number {
  const texts = [check, title, subject?.kind, subject?.id, subject?.name, reason];
  for (const { source, seen, expected } of evidence ?? []) texts.push(source, seen, expected);
  // Verdict, severity, and the frames of the finding, its subject and each piece of evidence.
  const frames = 4 + (2 + (evidence?.length ?? 0)) * FIELD_BYTES;
  return texts.reduce((sum, text) => sum + textBytes(text ?? ''), frames);
}

function textBytes(text: string): number {
  return Buffer.byteLength(text) + FIELD_BYTES;
}
