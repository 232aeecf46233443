import type { IncomingMessage } from 'node:http';
import * as s from '../../posture/schema.ts';
import type { RuntimeEvent } from './runtime.ts';

/** An event has some hundred bytes; one with all labels of a container some thousand. */
const MAX_LINE_BYTES = 1024 * 1024;

const KINDS: ReadonlySet<string> = new Set([
  'container',
  'daemon',
  'network',
  'image',
] satisfies RuntimeEvent['kind'][]);

const FILTERS = JSON.stringify({ type: [...KINDS] });

/**
 * The query of `GET /events` for the kinds that we use. The engine begins to listen only after it has answered, so what
 * happens around then would be lost: `sinceMs` (milliseconds since 1970) has it repeat what it still remembers.
 */
export function eventQuery(sinceMs: number): Readonly<Record<string, string>> {
  return { filters: FILTERS, since: (sinceMs / 1000).toFixed(3) };
}

/** An event of `GET /events`: one JSON object a line. */
const eventSchema = s.object({
  Type: s.string('', 64),
  Action: s.string('`start`, `exec_start: /bin/sh -c ls`', MAX_LINE_BYTES),
  Actor: s.object({
    ID: s.withDefault(s.string('', 1024), ''),
    Attributes: s.withDefault(s.object({ container: s.withDefault(s.string('of a network event', 1024), '') }), {
      container: '',
    }),
  }),
});

/** A line as an event; undefined for a kind that nobody asked for, or what is wrong with it. */
export function parseEvent(line: string): { event?: RuntimeEvent; problem?: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { problem: 'a line that is not JSON' };
  }
  const parsed = eventSchema.parse(value);
  if (!parsed.ok) return { problem: parsed.problem };
  const { Type: kind, Action, Actor } = parsed.value;
  if (!KINDS.has(kind)) return {};
  // After the colon stands detail: the command of an exec, secrets of its arguments included.
  const [action = ''] = Action.split(':', 1);
  const event = { kind: kind as RuntimeEvent['kind'], action: action.slice(0, 64), id: Actor.ID };
  const { container } = Actor.Attributes;
  return { event: kind === 'network' && container !== '' ? { ...event, container } : event };
}

/** Reads events off a response until it ends; resolves with the reason. Never more than one line is held. */
export function readEvents(response: IncomingMessage, onEvent: (event: RuntimeEvent) => void): Promise<string> {
  return new Promise((resolve) => {
    const partial: Buffer[] = [];
    let partialBytes = 0;
    const end = (reason: string): void => {
      response.removeAllListeners('data');
      response.destroy();
      resolve(reason);
    };
    const takeLine = (line: string): boolean => {
      if (line.trim() === '') return true;
      const { event, problem } = parseEvent(line);
      if (problem !== undefined) end(`the event stream is not understood: ${problem}`);
      else if (event !== undefined) onEvent(event);
      return problem === undefined;
    };
    response.on('data', (chunk: Buffer) => {
      let from = 0;
      for (let to = chunk.indexOf(0x0a); to !== -1; to = chunk.indexOf(0x0a, from)) {
        const line = Buffer.concat([...partial.splice(0), chunk.subarray(from, to)]).toString('utf8');
        partialBytes = 0;
        from = to + 1;
        if (!takeLine(line)) return;
      }
      partialBytes += chunk.length - from;
      if (partialBytes > MAX_LINE_BYTES) end(`an event has more than ${String(MAX_LINE_BYTES)} bytes`);
      else if (from < chunk.length) partial.push(chunk.subarray(from));
    });
    response.on('end', () => end('the engine ended the event stream'));
    response.on('error', (error) => end(`the event stream broke: ${error.message}`));
    response.on('close', () => end('the event stream was closed'));
  });
}
