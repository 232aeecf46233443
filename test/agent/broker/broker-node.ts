import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBroker } from '../../../agent/broker/broker.ts';
import { processRights } from '../../../agent/broker/process-rights.ts';
import { createRemoteProber } from '../../../agent/broker/remote-prober.ts';
import type { RemoteProber } from '../../../agent/broker/remote-prober.ts';
import { openLiveNode } from '../../../agent/live-node.ts';
import { createLocalObserver } from '../../../agent/local-observer.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';

type Teardown = { readonly teardown: (run: () => unknown) => void };

/** A broker that serves a test. */
export interface BrokerNode {
  readonly path: string;
  readonly prober: RemoteProber;
  readonly logged: string[];
  readonly stop: () => Promise<void>;
}

/** Runs a broker for `hostRoot` in this process, on a socket of its own. */
export async function startBroker(
  test: Teardown,
  options: { readonly hostRoot?: string; readonly dockerHost?: string; readonly path?: string } = {},
): Promise<BrokerNode> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-broker-'));
  const { hostRoot = '/', dockerHost = 'unix:///nonexistent/docker.sock' } = options;
  const path = options.path ?? join(directory, 'run', 'broker.sock');
  const clock = systemClock();
  const controller = new AbortController();
  const { signal } = controller;
  const logged: string[] = [];
  const add = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: add, info: add, warn: add, error: add };
  const prober = createRemoteProber(clock);
  const offered = Promise.withResolvers<string>();
  const access = await openLiveNode({
    hostRoot,
    dockerHost,
    nodeName: '',
    dataDir: directory,
    agentVersion: '0.0.0-test',
    now: clock.now,
    prober,
    makeNodeId: () => offered.promise,
    signal,
    log,
  });
  const isReady = Promise.withResolvers<undefined>();
  const running = runBroker({
    socketPath: path,
    observer: createLocalObserver({ access, sweepIntervalMs: 86_400_000, clock, log, signal }),
    prober,
    about: () => ({ version: '0.0.0-test', ...processRights() }),
    offerNodeId: offered.resolve,
    clock,
    log,
    signal,
    onReady: () => isReady.resolve(undefined),
  });
  const stop = async (): Promise<void> => {
    controller.abort();
    // What stopped it from starting was reported there.
    await running.catch(() => undefined);
  };
  test.teardown(async () => {
    await stop();
    rmSync(directory, { recursive: true, force: true });
  });
  await Promise.race([isReady.promise, running]);
  return { path, prober, logged, stop };
}

/** A connection that says what it likes: a compromised agent. */
export interface RawAgent {
  readonly socket: Socket;
  /** Everything that was received. */
  readonly received: () => string;
  readonly send: (...messages: readonly (object | string)[]) => void;
  readonly isClosed: () => boolean;
}

/** A valid first message. */
export const HELLO = Object.freeze({
  kind: 'hello',
  protocol: 4,
  nodeId: '0123456789abcdef0123456789abcdef',
  origin: { namespace: null, nodeAddress: '' },
});

/** Connects without any of our code. */
export async function connectRaw(test: Teardown, path: string): Promise<RawAgent> {
  const socket = connect(path);
  test.teardown(() => socket.destroy());
  let received = '';
  let isClosed = false;
  socket.setEncoding('utf8').on('data', (text: string) => (received += text));
  socket.on('error', () => {}).on('close', () => (isClosed = true));
  await new Promise((resolve) => {
    socket.once('connect', resolve);
  });
  return {
    socket,
    received: () => received,
    send: (...messages) => {
      for (const message of messages)
        socket.write(typeof message === 'string' ? message : `${JSON.stringify(message)}\n`);
    },
    isClosed: () => isClosed,
  };
}
