import { createPieceHash } from '../../posture/digest.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { isCheckId, MAX_ID_BYTES, MAX_TEXT, severityOf, verdictOf } from '../../proto/finding-codec.ts';
import { createPlaces, EVIDENCE_PLACES, PLACE, readFindingPlaces } from '../../proto/finding-places.ts';
import type { Reading } from '../../proto/finding-places.ts';
import { MAX_MESSAGE_BYTES } from '../../proto/fleet.ts';
import { statusCodeOf } from '../store/status-code.ts';
import type { PackedFinding } from '../store/store.ts';

/**
 * Packs the finding that stands between `reading.at` and `end`. Undefined: it has something that only a complete decoder
 * can judge, as DeltaReader says.
 */
export type Packer = (bytes: Buffer, reading: Reading, end: number) => PackedFinding | undefined;

/** Bytes that stand in JSON as they are: printable ASCII but `"` and `\`. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c ? 1 : 0,
);
/** What stands between the texts of a content (`findingContent`) and of a detail (`detailOf`). */
const MARK = Object.freeze({
  open: Buffer.from('["'),
  slash: Buffer.from('/'),
  next: Buffer.from('","'),
  close: Buffer.from('"]'),
});
/** Longest kind of a subject. */
const MAX_KIND_BYTES = 16;
/** Check ids that are remembered: nodes may invent some. */
const MAX_CHECKS = 10_000;

/** Places in the working memory: of a text that is only looked at, and of the detail. */
const SCRATCH = 0;
const DETAIL = 32 * 1024;

/** A packer with working memory of its own, a little over 1 MiB. */
export function createPacker(): Packer {
  const places = createPlaces();
  const memory = Buffer.alloc(DETAIL + MAX_MESSAGE_BYTES * 2);
  // Of the content, that is the same in every detail.
  memory.set(MARK.open, DETAIL);
  const hash = createPieceHash(memory, PLAIN);
  const judgementOf = createJudgements();
  const checkOf = createCheckIds();
  // Findings of one subject mostly come one after the other.
  const subjects = createLastText(MAX_KIND_BYTES + 1 + MAX_ID_BYTES);
  const names = createLastText(MAX_TEXT);

  const lengthOf = (place: number): number => (places[place + 1] ?? 0) - (places[place] ?? 0);
  /** Takes a text into the hash and copies it. -1: it has a byte that is not plain, or is too long. */
  const take = (bytes: Buffer, place: number, to: number): number => {
    const start = places[place] ?? 0;
    const end = places[place + 1] ?? 0;
    return to < 0 || end - start > MAX_TEXT ? -1 : hash.addText(bytes, start, end, to);
  };
  /** As `take`, with what stands before it. */
  const takeNext = (bytes: Buffer, place: number, to: number): number =>
    to < 0 ? -1 : take(bytes, place, hash.add(MARK.next, to));
  /** Takes `check/kind/id`; answers the text of the subject, `kind/id`. */
  const takeId = (bytes: Buffer): string | undefined => {
    if (take(bytes, PLACE.check, SCRATCH) < 0) return undefined;
    hash.add(MARK.slash, SCRATCH);
    const kindEnd = take(bytes, PLACE.kind, SCRATCH);
    const end = kindEnd < 0 ? -1 : take(bytes, PLACE.id, hash.add(MARK.slash, kindEnd));
    return end < 0 || !isKind(memory, kindEnd) ? undefined : subjects.read(memory, end);
  };
  /** Takes evidence and reason behind what stands before `at`; answers where the detail ends. */
  const takeRest = (bytes: Buffer, evidenceEnd: number, at: number): number => {
    let end = at;
    for (let place = PLACE.evidence; place < evidenceEnd; place += 2) end = takeNext(bytes, place, end);
    if (lengthOf(PLACE.reason) > 0) end = takeNext(bytes, PLACE.reason, end);
    return end < 0 ? -1 : hash.add(MARK.close, end);
  };
  const lengthOfContent = (judgement: Judgement, evidenceEnd: number): number => {
    const id = lengthOf(PLACE.check) + 1 + lengthOf(PLACE.kind) + 1 + lengthOf(PLACE.id);
    const texts = id + lengthOf(PLACE.title) + judgement.mark.length + lengthOf(PLACE.name);
    let length = MARK.open.length + texts + MARK.next.length + MARK.close.length;
    for (let place = PLACE.evidence; place < evidenceEnd; place += 2) length += MARK.next.length + lengthOf(place);
    return lengthOf(PLACE.reason) === 0 ? length : length + MARK.next.length + lengthOf(PLACE.reason);
  };

  return (bytes, reading, end) => {
    if (!readFindingPlaces(reading, end, places)) return undefined;
    const [judgement, check] = [judgementOf(places), checkOf(bytes, places)];
    const idBytes = lengthOf(PLACE.id);
    if (judgement === undefined || check === undefined || idBytes === 0 || idBytes > MAX_ID_BYTES) return undefined;
    if (lengthOf(PLACE.kind) > MAX_KIND_BYTES) return undefined;
    const evidenceEnd = PLACE.evidence + (places[PLACE.evidenceCount] ?? 0) * EVIDENCE_PLACES;
    hash.begin(lengthOfContent(judgement, evidenceEnd));
    hash.add(MARK.open, SCRATCH);
    const subject = takeId(bytes);
    hash.add(MARK.next, SCRATCH);
    const titleEnd = take(bytes, PLACE.title, DETAIL + MARK.open.length);
    hash.add(judgement.mark, SCRATCH);
    const nameEnd = take(bytes, PLACE.name, SCRATCH);
    const detailEnd = takeRest(bytes, evidenceEnd, titleEnd);
    if (subject === undefined || nameEnd < 0 || detailEnd < 0) return undefined;
    const name = names.read(memory, nameEnd);
    const detail = memory.toString('latin1', DETAIL, detailEnd);
    return { check, subject, name, statusCode: judgement.statusCode, hash: hash.end(), detail };
  };
}

/** A verdict with a severity, and what stands for it in a content: `","verdict","severity","`. */
interface Judgement {
  readonly statusCode: number;
  readonly mark: Uint8Array;
}

/** Numbers on the wire are below this; see `readFindingPlaces`. */
const MAX_NUMBER = 128;

function createJudgements(): (places: Int32Array) => Judgement | undefined {
  const judgements: (Judgement | undefined)[] = Array.from({ length: MAX_NUMBER * MAX_NUMBER });
  for (let index = 0; index < judgements.length; index += 1) {
    const [verdict, severity] = [verdictOf(Math.floor(index / MAX_NUMBER)), severityOf(index % MAX_NUMBER)];
    if (verdict === undefined || severity === undefined) continue;
    judgements[index] = {
      statusCode: statusCodeOf({ verdict, severity }),
      mark: Buffer.from(`","${verdict}","${severity}","`),
    };
  }
  return (places) => judgements[(places[PLACE.verdict] ?? 0) * MAX_NUMBER + (places[PLACE.severity] ?? 0)];
}

/** Gives each check id as one and the same string; undefined: it is none. */
function createCheckIds(): (bytes: Buffer, places: Int32Array) => string | undefined {
  const checks = new Map<string, string>();
  return (bytes, places) => {
    const text = bytes.toString('latin1', places[PLACE.check], places[PLACE.check + 1]);
    const known = checks.get(text);
    if (known !== undefined) return known;
    if (!isCheckId(text)) return undefined;
    if (checks.size >= MAX_CHECKS) checks.clear();
    checks.set(text, text);
    return text;
  };
}

/** Reads texts of ASCII at the start of a memory; makes no new string where one is the same as the last. */
function createLastText(maxBytes: number): { readonly read: (memory: Buffer, end: number) => string } {
  const last = Buffer.alloc(maxBytes);
  let [length, text] = [0, ''];
  return {
    read: (memory, end) => {
      let same = 0;
      if (end === length) while (same < end && memory[same] === last[same]) same += 1;
      if (end === length && same === end) return text;
      memory.copy(last, 0, SCRATCH, end);
      [length, text] = [end, memory.toString('latin1', SCRATCH, end)];
      return text;
    },
  };
}

const KINDS = SUBJECT_KINDS.map((kind) => Buffer.from(kind));

/** Does a kind of subjects stand at the start of the memory? */
function isKind(memory: Buffer, end: number): boolean {
  return KINDS.some((kind) => {
    if (kind.length !== end) return false;
    for (let at = 0; at < end; at += 1) if (kind[at] !== memory[at]) return false;
    return true;
  });
}
