import { hashOfPieces } from '../../posture/digest.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { isCheckId, MAX_ID_BYTES, MAX_TEXT, severityOf, verdictOf } from '../../proto/finding-codec.ts';
import {
  createPlaces,
  EVIDENCE_PLACES,
  NO_VARINT,
  PLACE,
  readEnd,
  readFindingPlaces,
  readVarint,
} from '../../proto/finding-places.ts';
import type { Reading } from '../../proto/finding-places.ts';
import { MAX_FINDINGS_PER_MESSAGE, MAX_MESSAGE_BYTES } from '../../proto/fleet.ts';
import { rankOf } from '../store/rank.ts';
import type { PackedFinding } from '../store/store.ts';
import type { DeltaPart } from './assembly.ts';

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

/** Bytes that stand in JSON as they are: printable ASCII but `"` and `\`. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c ? 1 : 0,
);
const [QUOTE, COMMA, SLASH, OPEN, CLOSE] = [...Buffer.from('",/[]')] as [number, number, number, number, number];
/** Check ids that are remembered: nodes may invent some. */
const MAX_CHECKS = 10_000;

/** Places in the working memory: what stands before the title in a finding's content, what between, and its detail. */
const HEAD = 0;
const MIDDLE = 8 * 1024;
const DETAIL = 32 * 1024;

/** A reader with working memory of its own, a little over 1 MiB. */
export function createDeltaReader(): DeltaReader {
  const packer = createPacker();
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
        const finding = end === NO_VARINT ? undefined : packer(bytes, reading, end);
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

type Packer = (bytes: Buffer, reading: Reading, end: number) => PackedFinding | undefined;

function createPacker(): Packer {
  const places = createPlaces();
  const memory = Buffer.alloc(DETAIL + MAX_MESSAGE_BYTES * 2);
  /** Start and end of each piece of the content in `memory`. */
  const pieces = new Int32Array(8);
  const checks = new Map<string, string>();
  const checkOf = (bytes: Buffer): string | undefined => {
    const text = bytes.toString('latin1', places[PLACE.check], places[PLACE.check + 1]);
    const known = checks.get(text);
    if (known !== undefined) return known;
    if (!isCheckId(text)) return undefined;
    if (checks.size >= MAX_CHECKS) checks.clear();
    checks.set(text, text);
    return text;
  };
  const lengthOf = (place: number): number => (places[place + 1] ?? 0) - (places[place] ?? 0);
  /** Copies a text into the memory; answers where it ends there. -1: it has a byte that is not plain, or is too long. */
  const copy = (bytes: Buffer, place: number, to: number): number => {
    const [start = 0, end = 0] = [places[place], places[place + 1]];
    if (to < 0 || end - start > MAX_TEXT) return -1;
    let at = to;
    for (let from = start; from < end; from += 1, at += 1) {
      const byte = bytes[from] ?? 0;
      if (PLAIN[byte] === 0) return -1;
      memory[at] = byte;
    }
    return at;
  };
  /** As `copy`, in quotes and behind `before`. */
  const quote = (bytes: Buffer, place: number, to: number, before: number): number => {
    if (to < 0) return -1;
    memory[to] = before;
    memory[to + 1] = QUOTE;
    const at = copy(bytes, place, to + 2);
    if (at >= 0) memory[at] = QUOTE;
    return at < 0 ? -1 : at + 1;
  };
  /** `["check/kind/id",` */
  const writeHead = (bytes: Buffer): number => {
    memory[HEAD] = OPEN;
    memory[HEAD + 1] = QUOTE;
    let at = copy(bytes, PLACE.check, HEAD + 2);
    if (at < 0) return -1;
    memory[at] = SLASH;
    at = copy(bytes, PLACE.kind, at + 1);
    if (at < 0) return -1;
    memory[at] = SLASH;
    at = copy(bytes, PLACE.id, at + 1);
    if (at < 0) return -1;
    memory[at] = QUOTE;
    memory[at + 1] = COMMA;
    return at + 2;
  };
  /** `["title","source","seen","expected","reason"]` */
  const writeDetail = (bytes: Buffer): number => {
    let at = quote(bytes, PLACE.title, DETAIL, OPEN);
    pieces[3] = at;
    const end = PLACE.evidence + (places[PLACE.evidenceCount] ?? 0) * EVIDENCE_PLACES;
    for (let place = PLACE.evidence; place < end; place += 2) at = quote(bytes, place, at, COMMA);
    if (lengthOf(PLACE.reason) > 0) at = quote(bytes, PLACE.reason, at, COMMA);
    if (at >= 0) memory[at] = CLOSE;
    return at < 0 ? -1 : at + 1;
  };
  /** `,"verdict","severity","name"` */
  const writeMiddle = (bytes: Buffer, verdict: Verdict, severity: Severity): number => {
    const at = MIDDLE + memory.write(`,"${verdict}","${severity}"`, MIDDLE, 'latin1');
    return quote(bytes, PLACE.name, at, COMMA);
  };
  return (bytes, reading, end) => {
    if (!readFindingPlaces(reading, end, places)) return undefined;
    const [verdict, severity] = [verdictOf(places[PLACE.verdict]), severityOf(places[PLACE.severity])];
    const idBytes = lengthOf(PLACE.id);
    if (verdict === undefined || severity === undefined || idBytes === 0 || idBytes > MAX_ID_BYTES) return undefined;
    // Before its bytes are copied: it bounds what the head takes.
    const check = checkOf(bytes);
    if (check === undefined) return undefined;
    const kindBytes = lengthOf(PLACE.kind);
    const kind = bytes.toString('latin1', places[PLACE.kind], places[PLACE.kind + 1]);
    if (kindBytes > 16 || !SUBJECT_KINDS.some((known) => known === kind)) return undefined;
    const [headEnd, detailEnd, middleEnd] = [
      writeHead(bytes),
      writeDetail(bytes),
      writeMiddle(bytes, verdict, severity),
    ];
    if (headEnd < 0 || detailEnd < 0 || middleEnd < 0) return undefined;
    const titleEnd = pieces[3] ?? 0;
    pieces.set([HEAD, headEnd, DETAIL + 1, titleEnd, MIDDLE, middleEnd, titleEnd, detailEnd]);
    return {
      check,
      subject: memory.toString('latin1', HEAD + 3 + check.length, headEnd - 2),
      name: bytes.toString('latin1', places[PLACE.name], places[PLACE.name + 1]),
      rank: rankOf({ verdict, severity }),
      hash: hashOfPieces(memory, pieces),
      detail: memory.toString('latin1', DETAIL, detailEnd),
    };
  };
}
