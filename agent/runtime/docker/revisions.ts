import { hash } from 'node:crypto';
import type { RuntimeEvent } from '../runtime.ts';
import type { ContainerEntry } from './container-schema.ts';

/**
 * Revisions of what an engine says about its containers. Everything that an inspect answer is parsed from changes only
 * with an event (a container starts, ends, is renamed, updated, or connected to a network), with the configuration of
 * the engine, or with the engine itself, which ends the event stream. As long as a stream is open and reported nothing
 * about a container, the answer about it is the one that came after the last list with the same revision.
 */
export interface Revisions {
  /** An event stream has begun. */
  readonly open: () => FollowedStream;
  /** The revision of a container as the list has it now; empty while no stream is open. */
  readonly of: (entry: ContainerEntry) => string;
}

/** The event stream as it comes in. */
export interface FollowedStream {
  readonly onBytes: (part: Buffer) => void;
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly close: () => void;
}

/** Every revision ends after this time, each container's at another moment. */
const MAX_AGE_MS = 60 * 60_000;

/**
 * An engine silently drops an event for a reader for which 1,024 events wait already (moby, daemon/events/events.go).
 * Such a reader then receives the waiting events within a short time, or more slowly where the events are large. More
 * events or bytes than this within the window therefore mean that events may be missing.
 */
const WINDOW_MS = 5000;
const MAX_EVENTS = 512;
const MAX_BYTES = 8 * 1024 * 1024;

/** Containers whose last event is remembered. */
const MAX_CHANGED = 4096;

/** Revisions of one engine. `nowMs` never goes back. */
export function createRevisions(nowMs: () => number = () => performance.now()): Revisions {
  /** Numbers are never used again, so that no revision comes back. */
  let sequence = 0;
  let generation = 0;
  let openStreams = 0;
  const changed = new Map<string, number>();
  const renewAll = (): void => {
    generation = sequence += 1;
    changed.clear();
  };
  const renew = (id: string): void => {
    if (changed.size >= MAX_CHANGED) renewAll();
    changed.set(id, (sequence += 1));
  };
  return {
    open: () => {
      openStreams += 1;
      renewAll();
      const isFlood = createFloodMeter(nowMs);
      return {
        onBytes: (part) => {
          if (isFlood(part)) renewAll();
        },
        onEvent: (event) => {
          if (event.kind === 'engineReloaded') renewAll();
          // A further process changes nothing that an inspect answer is read for.
          else if (event.kind !== 'execChanged') renew(event.id);
        },
        close: () => {
          openStreams -= 1;
          renewAll();
        },
      };
    },
    of: (entry) => {
      if (openStreams === 0) return '';
      const age = Math.floor((nowMs() + phaseOf(entry.Id)) / MAX_AGE_MS);
      return [generation, changed.get(entry.Id) ?? 0, age, digestOf(entry)].join('.');
    },
  };
}

/** Answers whether so much came within a window that the engine may have dropped events. */
function createFloodMeter(nowMs: () => number): (part: Buffer) => boolean {
  let startedMs = nowMs();
  let events = 0;
  let bytes = 0;
  return (part) => {
    if (nowMs() - startedMs >= WINDOW_MS) [startedMs, events, bytes] = [nowMs(), 0, 0];
    bytes += part.length;
    // Inside of JSON a newline is written as an escape.
    for (let at = part.indexOf(0x0a); at !== -1; at = part.indexOf(0x0a, at + 1)) events += 1;
    return events >= MAX_EVENTS || bytes >= MAX_BYTES;
  };
}

/** Spreads the containers over the time after which they are asked about again. Ids are random hexadecimal digits. */
function phaseOf(id: string): number {
  const digits = Number.parseInt(id.slice(0, 4), 16);
  return Number.isNaN(digits) ? 0 : (digits / 0x10000) * MAX_AGE_MS;
}

/** What the list says of a container, so that a change of its names, ports, networks, mounts or health shows without an event. */
function digestOf({ Names, State, Status, ImageID, Ports, Mounts, NetworkSettings }: ContainerEntry): string {
  // `Up 2 hours (healthy)`: the time is another in each list.
  const condition = /\([^)]*\)/.exec(Status)?.[0] ?? '';
  const listed = [Names, State, condition, ImageID, sorted(Ports), sorted(Mounts), NetworkSettings];
  return hash('sha256', JSON.stringify(listed), 'base64');
}

/** The engine lists ports and mounts in an order that is another each time. */
function sorted(values: unknown): readonly string[] {
  return Array.isArray(values) ? values.map((value) => JSON.stringify(value)).sort() : [];
}
