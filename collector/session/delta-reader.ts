import { NO_VARINT, readEnd, readVarint } from '../../proto/finding-places.ts';
import type { Reading } from '../../proto/finding-places.ts';
import { MAX_FINDINGS_PER_MESSAGE } from '../../proto/fleet.ts';
import type { PackedFinding } from '../store/store.ts';
import type { DeltaPart } from './delta-reassembler.ts';
import { createPacker } from './packer.ts';

/**
 * Reads the bytes of an AgentMessage that holds a FindingDelta, and packs its findings as they are read: no object and no
 * text is made that is not stored. It takes only what nearly every message is: fields written as encoders do, texts of
 * printable ASCII that JSON does not escape, within their bounds. Undefined: something else, which a complete decoder
 * must look at; the outcome is then the same as `fromWire` and `packFinding` give.
 */
export type DeltaReader = (bytes: Buffer) => DeltaPart | undefined;

/** Tags of AgentMessage.delta and of FindingDelta: field number * 8 + wire type. */
const DELTA = 18;
const TAG = Object.freeze({ sequence: 8, part: 16, last: 24, snapshot: 32, put: 42, gone: 50, observedAtMs: 56 });

/** A reader with working memory of its own, a little over 1 MiB. */
export function createDeltaReader(): DeltaReader {
  const pack = createPacker();
  return (bytes) => {
    const reading: Reading = { bytes, at: 1 };
    if (bytes[0] !== DELTA || readEnd(reading, bytes.length) !== bytes.length) return undefined;
    const part = { sequence: 0, part: 0, last: false, snapshot: false, observedAtMs: 0 };
    const packed: PackedFinding[] = [];
    const gone: string[] = [];
    let last = 0;
    while (reading.at < bytes.length) {
      const tag = bytes[reading.at] ?? 0;
      if (tag < last) return undefined;
      last = tag;
      reading.at += 1;
      if (tag === TAG.put) {
        const end = readEnd(reading, bytes.length);
        const finding = end === NO_VARINT ? undefined : pack(bytes, reading, end);
        if (finding === undefined || packed.length >= MAX_FINDINGS_PER_MESSAGE) return undefined;
        packed.push(finding);
      } else if (tag === TAG.gone) {
        const end = readEnd(reading, bytes.length);
        const id = end === NO_VARINT ? '\uFFFD' : bytes.toString('utf8', reading.at, end);
        if (id.includes('\uFFFD') || gone.length >= MAX_FINDINGS_PER_MESSAGE) return undefined;
        gone.push(id);
        reading.at = end;
      } else {
        const value = readVarint(reading, bytes.length);
        if (value === NO_VARINT) return undefined;
        if (tag === TAG.sequence) part.sequence = value;
        else if (tag === TAG.part && value < 2 ** 32) part.part = value;
        else if (tag === TAG.last) part.last = value !== 0;
        else if (tag === TAG.snapshot) part.snapshot = value !== 0;
        else if (tag === TAG.observedAtMs) part.observedAtMs = value;
        else return undefined;
      }
    }
    return { ...part, packed, gone };
  };
}
