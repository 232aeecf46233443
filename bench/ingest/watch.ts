import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openEventStream } from '../../collector/api/event-stream.ts';
import type { EventBus } from '../../collector/store/event-bus.ts';
import type { Store } from '../../collector/store/store.ts';
import { BENCHMARKS, indexControls } from '../../posture/benchmark/benchmark.ts';
import { systemClock } from '../../service/clock.ts';

/** The event stream of the API, for whoever asks. */
export interface EventPort {
  readonly port: number;
  readonly close: () => void;
}

/** Serves the event stream as the API does, without its token. */
export async function serveEvents(store: Store, eventBus: EventBus): Promise<EventPort> {
  const clock = systemClock();
  const controlsOf = indexControls(BENCHMARKS);
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/event-stream; charset=utf-8');
    const presenceTerms = () => ({ nowMs: clock.now(), heartbeatMs: 30_000, duplicated: new Set<string>() });
    openEventStream({ store, eventBus, response, clock, controlsOf, presenceTerms, after: undefined });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

/** A reader of the event stream. */
export interface Watcher {
  /** Resolves once the event at this position has been read. */
  readonly seen: (position: number) => Promise<void>;
}

/** Reads events as they come, and keeps the id of the last one. Throws if the stream ends. */
export async function watchEvents(port: number): Promise<Watcher> {
  const [response] = (await once(get({ host: '127.0.0.1', port }), 'response')) as [IncomingMessage];
  let newest = 0;
  let rest = '';
  let heard = Promise.withResolvers<void>();
  response.setEncoding('latin1').on('data', (text: string) => {
    const read = rest + text;
    const last = read.lastIndexOf('\nid: ');
    const end = read.indexOf('\n', last + 1);
    if (last >= 0 && end > last) newest = Number(read.slice(last + 5, end));
    rest = read.slice(-64);
    heard.resolve();
  });
  response.on('close', () => heard.reject(new Error('the event stream ended')));
  return {
    seen: async (position) => {
      while (newest < position) {
        heard = Promise.withResolvers();
        await heard.promise;
      }
    },
  };
}
