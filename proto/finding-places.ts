/**
 * Where the fields of a Finding stand in the bytes of a message, as offsets: text fields as start and end, an absent one
 * as an empty range; then the number of pieces of evidence, and source, seen and expected of each.
 */
export const PLACE = Object.freeze({
  check: 0,
  title: 2,
  verdict: 4,
  severity: 5,
  kind: 6,
  id: 8,
  name: 10,
  reason: 12,
  evidenceCount: 14,
  evidence: 15,
});

/** Offsets that one piece of evidence takes. */
export const EVIDENCE_PLACES = 6;
const MAX_EVIDENCE = 32;

/** Room for the places of one finding. */
export function createPlaces(): Int32Array {
  return new Int32Array(PLACE.evidence + MAX_EVIDENCE * EVIDENCE_PLACES);
}

/** A place in a message that is being read. */
export interface Reading {
  readonly bytes: Uint8Array;
  at: number;
}

/** What `readVarint` answers where there is none, or one that is too large for a number. */
export const NO_VARINT = -1;

/** Reads a varint (https://protobuf.dev/programming-guides/encoding/#varints) of at most 49 bits. */
export function readVarint(reading: Reading, end: number): number {
  const { bytes } = reading;
  let value = 0;
  let factor = 1;
  for (let at = reading.at; at < end && factor < 2 ** 49; at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) {
      reading.at = at + 1;
      return value;
    }
    factor *= 128;
  }
  return NO_VARINT;
}

/** Reads the length before a field of text or a message; answers where the field ends. `NO_VARINT`: not within `end`. */
export function readEnd(reading: Reading, end: number): number {
  const length = readVarint(reading, end);
  return length === NO_VARINT || reading.at + length > end ? NO_VARINT : reading.at + length;
}

/** Tags of plimsoll.v1.Finding and of what stands in it: field number * 8 + wire type (0 varint, 2 with a length). */
const TAG = Object.freeze({ check: 10, title: 18, verdict: 24, severity: 32, subject: 42, evidence: 50, reason: 58 });

/**
 * Finds the fields of the finding between `reading.at` and `end`, and moves on to `end`. False: it is not written as
 * encoders do (each field once, in the order of numbers, none that is unknown), or it is no finding at all; only a
 * complete decoder can tell.
 */
export function readFindingPlaces(reading: Reading, end: number, places: Int32Array): boolean {
  places.fill(0, 0, PLACE.evidence);
  const { bytes } = reading;
  let last = 0;
  while (reading.at < end) {
    const tag = bytes[reading.at] ?? 0;
    if (tag < last || (tag === last && tag !== TAG.evidence)) return false;
    last = tag;
    reading.at += 1;
    const known =
      tag === TAG.check
        ? readText(reading, end, places, PLACE.check)
        : tag === TAG.title
          ? readText(reading, end, places, PLACE.title)
          : tag === TAG.verdict
            ? readNumber(reading, end, places, PLACE.verdict)
            : tag === TAG.severity
              ? readNumber(reading, end, places, PLACE.severity)
              : tag === TAG.subject
                ? readTexts(reading, end, places, PLACE.kind)
                : tag === TAG.evidence
                  ? readEvidence(reading, end, places)
                  : tag === TAG.reason && readText(reading, end, places, PLACE.reason);
    if (!known) return false;
  }
  return reading.at === end;
}

function readNumber(reading: Reading, end: number, places: Int32Array, place: number): boolean {
  const value = readVarint(reading, end);
  places[place] = value;
  return value >= 0 && value < 128;
}

function readText(reading: Reading, end: number, places: Int32Array, place: number): boolean {
  const textEnd = readEnd(reading, end);
  if (textEnd === NO_VARINT) return false;
  places[place] = reading.at;
  places[place + 1] = textEnd;
  reading.at = textEnd;
  return true;
}

/** A message of three texts with the numbers 1, 2 and 3: a Subject, a piece of Evidence. */
function readTexts(reading: Reading, end: number, places: Int32Array, place: number): boolean {
  const messageEnd = readEnd(reading, end);
  if (messageEnd === NO_VARINT) return false;
  let last = 0;
  while (reading.at < messageEnd) {
    const tag = reading.bytes[reading.at] ?? 0;
    // 10, 18 and 26: numbers 1 to 3, with a length.
    const field = (tag - 10) / 8;
    if (tag <= last || !(field === 0 || field === 1 || field === 2)) return false;
    last = tag;
    reading.at += 1;
    if (!readText(reading, messageEnd, places, place + field * 2)) return false;
  }
  return true;
}

function readEvidence(reading: Reading, end: number, places: Int32Array): boolean {
  const count = places[PLACE.evidenceCount] ?? 0;
  if (count >= MAX_EVIDENCE) return false;
  const place = PLACE.evidence + count * EVIDENCE_PLACES;
  places.fill(0, place, place + EVIDENCE_PLACES);
  places[PLACE.evidenceCount] = count + 1;
  return readTexts(reading, end, places, place);
}
