import { join } from 'node:path';
import { createEventBus } from '../../collector/store/event-bus.ts';
import { openListener } from '../../collector/session/listener.ts';
import type { ListenerTls } from '../../collector/tls/tls-keeper.ts';
import { startSessionServer } from '../../collector/session/server.ts';
import { DEFAULT_SESSION_SETTINGS } from '../../collector/session/settings.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { decodeAgentMessage } from '../../proto/fleet.ts';
import { systemClock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Ask } from './roles.ts';
import { serveEvents } from './watch.ts';
import type { EventPort } from './watch.ts';

/** CPU and wall time of a process up to now, and how many events it has made. */
export interface Mark {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly events: number;
}

const COMPLAIN: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};
const LISTEN = Object.freeze({ host: '127.0.0.1', port: 0 });

/** The real thing: session server, writer and store. */
export async function collector({
  tls,
  directory,
}: {
  readonly tls: Omit<ListenerTls, 'serverCa'>;
  readonly directory: string;
}): Promise<(ask: Ask) => Promise<unknown>> {
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const eventBus = createEventBus();
  let events = 0;
  let watched: EventPort | undefined;
  // As sinks do. A reader of the event stream costs more: the events themselves are made then.
  eventBus.subscribeToPositions((position) => {
    events = Math.max(events, position);
  });
  const replies = { onResult: () => false, onDisconnect: () => undefined };
  const server = await startSessionServer({
    isRevoked: () => false,
    listen: LISTEN,
    tls,
    store,
    eventBus,
    replies,
    onNodeAhead: () => Promise.resolve(),
    // The store is measured, not what keeps a flood away from it.
    quota: { changes: { burst: 1e12, perSecond: 1e12 } },
    clock: systemClock(),
    log: COMPLAIN,
  });
  return async ({ do: what, phase }) => {
    if (what === 'mark') return mark(events);
    if (what === 'watch') return (watched = await serveEvents(store, eventBus)).port;
    if (what === 'run') return phase === undefined ? server.address : await store.replicationState(phase);
    watched?.close();
    await server.close();
    return await store.close();
  };
}

/** The floor of the wire: TLS, HTTP/2, gRPC and the reading of messages, and nothing done with them. */
export async function decoder({
  tls,
}: {
  readonly tls: Omit<ListenerTls, 'serverCa'>;
}): Promise<(ask: Ask) => Promise<unknown>> {
  let findings = 0;
  const listener = await openListener({
    listen: LISTEN,
    tls,
    settings: DEFAULT_SESSION_SETTINGS,
    clock: systemClock(),
    log: COMPLAIN,
    sessionPeer: () => undefined,
    onSession: (call) => {
      call.on('data', (bytes: Buffer) => {
        const { hello, delta } = decodeAgentMessage(bytes);
        if (hello) call.write({ welcome: {} });
        findings += (delta?.put?.length ?? 0) + (delta?.gone?.length ?? 0);
        if (delta?.last === true) call.write({ ack: { sequence: delta.sequence ?? 0 } });
      });
      call.on('end', () => call.end());
      call.on('error', () => undefined);
    },
  });
  return async ({ do: what }) => {
    if (what === 'mark') return mark(findings);
    return what === 'run' ? listener.address : await listener.close();
  };
}

/** Reads the clocks of this process. */
export function mark(events: number): Mark {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1000, wallMs: performance.now(), events };
}
