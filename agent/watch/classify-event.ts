import type { RuntimeEvent } from '../runtime/runtime.ts';

/** What is to be done about an event of the runtime. */
export type EventClass =
  /** This container was started: look at it now, and again soon. */
  | { readonly kind: 'start'; readonly id: string }
  /** Look at this container now. */
  | { readonly kind: 'container'; readonly id: string }
  /** A process was started in this container, or ended. */
  | { readonly kind: 'exec'; readonly id: string }
  /** The daemon has read its configuration again. */
  | { readonly kind: 'daemon' }
  | { readonly kind: 'nothing' };

const START_ACTIONS: ReadonlySet<string> = new Set(['start', 'restart']);
/**
 * Actions after which a container is there, runs, does not run any more, or runs under other conditions
 * (docs.docker.com/reference/cli/docker/system/events). `start` comes when the runtime has started the process: its
 * seccomp filters, capabilities and label are in place by then.
 */
const CONTAINER_ACTIONS: ReadonlySet<string> = new Set([
  'create',
  'die',
  'stop',
  'destroy',
  'pause',
  'unpause',
  'rename',
  'update',
  'health_status',
]);
const EXEC_ACTIONS: ReadonlySet<string> = new Set(['exec_start', 'exec_die']);
const NETWORK_ACTIONS: ReadonlySet<string> = new Set(['connect', 'disconnect']);

const NOTHING: EventClass = Object.freeze({ kind: 'nothing' });

/** What an event asks for. */
export function classifyEvent({ kind, action, id, container }: RuntimeEvent): EventClass {
  switch (kind) {
    case 'container':
      if (START_ACTIONS.has(action)) return { kind: 'start', id };
      if (CONTAINER_ACTIONS.has(action)) return { kind: 'container', id };
      return EXEC_ACTIONS.has(action) ? { kind: 'exec', id } : NOTHING;
    case 'network':
      return NETWORK_ACTIONS.has(action) && container !== undefined ? { kind: 'container', id: container } : NOTHING;
    case 'daemon':
      return action === 'reload' ? { kind: 'daemon' } : NOTHING;
  }
}
