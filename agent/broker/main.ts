import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import { liveNodeSettings, openLiveNode } from '../live-node.ts';
import { createLocalObserver } from '../local-observer.ts';
import { imageReadersOf } from '../image/image-readers.ts';
import { runBroker } from './broker.ts';
import { processRights } from './process-rights.ts';
import { createRemoteProber } from './remote-prober.ts';

/** What the broker is started with. */
export interface BrokerProgramOptions {
  readonly settings: Settings;
  readonly version: string;
  /** Entry of the thread that reads images: image/inventory/worker.ts, or what it was bundled to. */
  readonly inventoryWorker: URL;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the broker. */
  readonly signal: AbortSignal;
  /** Agents can connect. */
  readonly onReady?: () => void;
}

/** Runs the broker of this node until the signal aborts. Rejects with what stopped it from starting. */
export async function runBrokerProgram(options: BrokerProgramOptions): Promise<void> {
  const { settings, version, clock, log, signal } = options;
  const prober = createRemoteProber(clock);
  const offered = Promise.withResolvers<string>();
  const access = await openLiveNode({
    ...liveNodeSettings(settings, version),
    now: clock.now,
    prober,
    // The broker keeps no files: the agent has the id of a node without a machine id.
    makeNodeId: () => offered.promise,
    signal,
    log,
  });
  await runBroker({
    socketPath: settings.socket,
    observer: createLocalObserver({
      access,
      ...imageReadersOf(settings, access, options.inventoryWorker),
      sweepIntervalMs: settings.sweepInterval,
      clock,
      log,
      signal,
    }),
    prober,
    about: () => ({ version, ...processRights() }),
    offerNodeId: offered.resolve,
    clock,
    log,
    signal,
    onReady: options.onReady,
  });
}
