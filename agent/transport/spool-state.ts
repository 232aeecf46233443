import { closeSync, constants, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** What the spool must remember beside its deltas. */
export interface SpoolMemory {
  /** Names one life of the spool; sequences are counted within it. */
  readonly epoch: string;
  /** Sequence that the next delta gets. */
  readonly next: number;
  /** Up to here the collector has committed. */
  readonly acked: number;
  /** Highest sequence that may have gone out. */
  readonly sent: number;
  /** Why a full transfer is needed; null: none is. */
  readonly resync: string | null;
  /** The highest sequence that was lost; a snapshot after it heals. */
  readonly lostAt: number;
}

/**
 * The file has two slots that are written in turn, in place: a torn write destroys one and leaves the other, and a full
 * disk does not prevent it, since the blocks are there. A slot is one line: CRC-32 in hex, a number that grows with
 * every write, and the memory as JSON, filled up with spaces.
 */
const SLOT_BYTES = 512;
const MAX_REASON = 120;

/** The file, open. */
export interface SpoolStateFile {
  /** What was written last; undefined for a new file and for one that is damaged in both slots. */
  readonly initial: SpoolMemory | undefined;
  /** Throws what the system says. Survives the end of the process; `durable` waits until it survives a power cut. */
  readonly write: (memory: SpoolMemory, durable?: boolean) => void;
  readonly close: () => void;
}

/** Opens or creates the file, for its owner only. Throws what the system says. */
export function openSpoolState(path: string): SpoolStateFile {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  const slots = [readSlot(descriptor, 0), readSlot(descriptor, 1)];
  const [latest] = slots.filter((slot) => slot !== undefined).sort((one, other) => other.counter - one.counter);
  let counter = latest?.counter ?? 0;
  return {
    initial: latest?.memory,
    write: (memory, durable = false) => {
      counter += 1;
      writeSync(descriptor, slotBytes(counter, memory), 0, SLOT_BYTES, (counter % 2) * SLOT_BYTES);
      if (durable) fdatasyncSync(descriptor);
    },
    close: () => closeSync(descriptor),
  };
}

function slotBytes(counter: number, memory: SpoolMemory): Buffer {
  // Plain ASCII, so that the line has its place in the slot whatever the reason says.
  const resync = memory.resync?.replaceAll(/[^ -~]/g, '?').slice(0, MAX_REASON) ?? null;
  const text = `${String(counter)} ${JSON.stringify({ ...memory, resync })}`;
  const body = Buffer.alloc(SLOT_BYTES - 10, ' ');
  body.write(text);
  body[body.length - 1] = 0x0a;
  return Buffer.concat([Buffer.from(`${crc32(body).toString(16).padStart(8, '0')}  `), body]);
}

interface Slot {
  readonly counter: number;
  readonly memory: SpoolMemory;
}

function readSlot(descriptor: number, index: number): Slot | undefined {
  const slot = Buffer.alloc(SLOT_BYTES);
  if (readSync(descriptor, slot, 0, SLOT_BYTES, index * SLOT_BYTES) < SLOT_BYTES) return undefined;
  const body = slot.subarray(10);
  if (crc32(body).toString(16).padStart(8, '0') !== slot.toString('latin1', 0, 8)) return undefined;
  const match = /^(\d{1,15}) (\{.*\})\s*$/.exec(body.toString('utf8'));
  const memory = match === null ? undefined : parseMemory(match[2] ?? '');
  return memory === undefined ? undefined : { counter: Number(match?.[1]), memory };
}

function parseMemory(json: string): SpoolMemory | undefined {
  const { epoch, next, acked, resync, lostAt, sent } = readJson(json);
  if (typeof epoch !== 'string' || !/^[0-9a-f-]{36}$/.test(epoch)) return undefined;
  if (!isSequence(next) || !isSequence(acked) || !isSequence(lostAt) || next < 1) return undefined;
  // A state of before this field was written: whatever there is may have gone out.
  return {
    epoch,
    next,
    acked,
    lostAt,
    sent: isSequence(sent) ? sent : next - 1,
    resync: typeof resync === 'string' ? resync : null,
  };
}

function readJson(json: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
