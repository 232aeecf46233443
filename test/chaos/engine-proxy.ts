import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';

/** What can be wrong with an engine, as the agent sees it. */
export const ENGINE_FAULTS = [
  /** Nobody listens to connections any more; those that are open break. */
  'away',
  /** Connections are taken, requests are not answered. */
  'hangs',
  /** Each answer breaks off after its first bytes. */
  'cut',
  /** Answers are something else than HTTP. */
  'garbage',
] as const;

/** One of {@link ENGINE_FAULTS}. */
export type EngineFault = (typeof ENGINE_FAULTS)[number];

/** A socket in front of the engine, for the agent alone. */
export interface EngineProxy {
  /** `unix:///…` */
  readonly endpoint: string;
  /** Has a fault for a time; resolves when all is well again. */
  readonly suffer: (fault: EngineFault, forMs: number) => Promise<void>;
  readonly close: () => void;
}

/** How much of an answer arrives before it breaks off. */
const CUT_BYTES = 200;

/** A proxy on `path` in front of the engine on `enginePath`. */
export async function startEngineProxy(path: string, enginePath: string): Promise<EngineProxy> {
  const sockets = new Set<Socket>();
  let fault: EngineFault | undefined;

  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const accept = (client: Socket): void => {
    client.on('error', () => undefined);
    if (fault === 'away') return void client.destroy();
    sockets.add(client);
    client.once('close', () => sockets.delete(client));
    const engine = connect(enginePath);
    engine.on('error', () => undefined);
    sockets.add(engine);
    engine.once('close', () => {
      sockets.delete(engine);
      client.destroy();
    });
    client.once('close', () => engine.destroy());
    client.on('data', (bytes) => {
      if (fault === 'garbage') client.end('this is no HTTP\r\n\r\n');
      else if (fault !== 'hangs') engine.write(bytes);
    });
    engine.on('data', (bytes: Buffer) => {
      if (fault === 'hangs') return;
      if (fault !== 'cut') return void client.write(bytes);
      client.write(bytes.subarray(0, CUT_BYTES), () => client.destroy());
    });
  };
  const server = createServer(accept);
  server.listen(path);
  await once(server, 'listening');
  return {
    endpoint: `unix://${path}`,
    suffer: async (what, forMs) => {
      fault = what;
      if (what === 'away') breakAll();
      await new Promise((resolve) => setTimeout(resolve, forMs));
      fault = undefined;
      // What was swallowed meanwhile is never answered.
      breakAll();
    },
    close: () => {
      server.close();
      breakAll();
    },
  };
}
