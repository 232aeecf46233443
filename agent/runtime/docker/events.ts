import * as s from '../../../posture/schema.ts';
import { createJsonFilter } from './json-filter.ts';
import type { RuntimeEvent } from '../runtime.ts';

/** An event has some hundred bytes without the labels of its container. */
const MAX_LINE_BYTES = 1024 * 1024;
/** The action of an exec holds the whole command; only its first word is used. */
const MAX_STRING_BYTES = 4096;

const TYPES: readonly string[] = ['container', 'daemon', 'network'];

/**
 * The parameters of `GET /events` for the types that are used. The engine subscribes only after it has answered, so
 * events around then would be lost: with `sinceMs` (milliseconds since 1970) it repeats those that it still holds.
 */
export function eventParameters(sinceMs: number): {
  readonly filters: { readonly type: readonly string[] };
  readonly since: number;
} {
  return { filters: { type: TYPES }, since: sinceMs / 1000 };
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

/** A line as an event; `problem` if it is malformed, neither field for an event that has no effect on the facts. */
export function parseEvent(line: string): { event?: RuntimeEvent; problem?: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { problem: 'a line that is not JSON' };
  }
  const parsed = eventSchema.parse(value);
  if (!parsed.ok) return { problem: parsed.problem };
  const { Type: type, Action, Actor } = parsed.value;
  // Detail follows the colon: the command of an exec, secrets of its arguments included.
  const [action = ''] = Action.split(':', 1);
  const event = classifyEvent(type, action, Actor);
  return event === undefined ? {} : { event };
}

const START_ACTIONS: ReadonlySet<string> = new Set(['start', 'restart']);
/**
 * Actions that create, start, stop or remove a container, or change its configuration
 * (docs.docker.com/reference/cli/docker/system/events; `remove` is Podman's, podman-events(1)). `start` comes when the
 * engine has started the process.
 */
const CONTAINER_ACTIONS: ReadonlySet<string> = new Set([
  'create',
  'die',
  'stop',
  'destroy',
  'remove',
  'pause',
  'unpause',
  'rename',
  'update',
  'health_status',
]);
const EXEC_ACTIONS: ReadonlySet<string> = new Set(['exec_start', 'exec_die', 'exec', 'exec_died']);
const NETWORK_ACTIONS: ReadonlySet<string> = new Set(['connect', 'disconnect']);

function classifyEvent(
  type: string,
  action: string,
  { ID: id, Attributes }: s.Infer<typeof eventSchema>['Actor'],
): RuntimeEvent | undefined {
  switch (type) {
    case 'container':
      if (START_ACTIONS.has(action)) return { kind: 'containerStarted', id };
      if (CONTAINER_ACTIONS.has(action)) return { kind: 'containerChanged', id };
      return EXEC_ACTIONS.has(action) ? { kind: 'execChanged', id } : undefined;
    case 'network':
      return NETWORK_ACTIONS.has(action) && Attributes.container !== ''
        ? { kind: 'containerChanged', id: Attributes.container }
        : undefined;
    case 'daemon':
      return action === 'reload' ? { kind: 'engineReloaded' } : undefined;
    default:
      return undefined;
  }
}

/** The fields that are read, by the number of objects around them. All labels of a container are attributes. */
const FIELDS: readonly ReadonlySet<string>[] = [
  new Set(['Type', 'Action', 'Actor']),
  new Set(['ID', 'Attributes']),
  new Set(['container']),
];

/** Splits a stream of bytes into events. Holds at most one line. */
export interface EventLines {
  /** Parses bytes; returns the problem of malformed ones, after which no more may be pushed. */
  readonly push: (part: Buffer) => string | undefined;
}

/** Calls `onEvent` for each event as soon as its line is complete. */
export function createEventLines(onEvent: (event: RuntimeEvent) => void): EventLines {
  const partial: Buffer[] = [];
  let partialBytes = 0;
  const filter = createJsonFilter((depth, name) => FIELDS[depth - 1]?.has(name) === true, MAX_STRING_BYTES);
  const takeLine = (line: string): string | undefined => {
    if (line.trim() === '') return undefined;
    const { event, problem } = parseEvent(line);
    if (event !== undefined) onEvent(event);
    return problem === undefined ? undefined : `the event stream is not understood: ${problem}`;
  };
  return {
    push: (received) => {
      const part = filter.push(received);
      let from = 0;
      for (let to = part.indexOf(0x0a); to !== -1; to = part.indexOf(0x0a, from)) {
        const line = Buffer.concat([...partial.splice(0), part.subarray(from, to)]).toString('utf8');
        partialBytes = 0;
        from = to + 1;
        const problem = takeLine(line);
        if (problem !== undefined) return problem;
      }
      partialBytes += part.length - from;
      if (partialBytes > MAX_LINE_BYTES) return `an event has more than ${String(MAX_LINE_BYTES)} bytes`;
      if (from < part.length) partial.push(part.subarray(from));
      return undefined;
    },
  };
}
