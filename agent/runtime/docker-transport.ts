import type { IncomingMessage } from 'node:http';
import type DockerModem from 'docker-modem';

/** Sends one GET to the engine; resolves with the response once its headers are there, whatever its status. */
export type Transport = (path: string, query?: Readonly<Record<string, string>>) => Promise<IncomingMessage>;

// docker-modem hands over the bare response only for codes that the caller calls good. We want it for every code: what
// it does with the others is to collect the body, however long.
const EVERY_STATUS: Readonly<Record<number, true>> = Object.freeze(
  Object.fromEntries(Array.from({ length: 500 }, (_, index) => [index + 100, true as const])),
);

// A connection that the engine had closed breaks at once; later it is our own deadline that breaks it.
const STALE_WITHIN_MS = 100;

/**
 * The way to an engine on a unix socket: dockerode's own transport, docker-modem, and not dockerode itself, which at
 * import loads a gRPC stack for image builds and has no bound on an answer. It is given no agent: for a debug line it
 * formats its options with every request, and would walk through all sockets that an agent holds.
 */
export async function openTransport(socketPath: string, responseTimeoutMs: number): Promise<Transport> {
  // Loaded here and not above: a node without an engine never needs it.
  const { default: Modem } = await import('docker-modem');
  const modem = withoutDockerHost(
    () => new Modem({ socketPath, host: undefined, protocol: 'http', connectionTimeout: responseTimeoutMs }),
  );
  return async (path, query = {}) => {
    const startedAtMs = performance.now();
    try {
      return await dial(modem, path, query);
    } catch (error) {
      // A connection is used for several calls; the engine may have closed it just as this one was sent.
      const isStale = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (!isStale || performance.now() - startedAtMs > STALE_WITHIN_MS) throw error;
      return dial(modem, path, query);
    }
  };
}

function dial(modem: DockerModem, path: string, query: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  const asked = Object.keys(query).length > 0 ? `${path}?` : path;
  return new Promise((resolve, reject) => {
    modem.dial(
      { path: asked, method: 'GET', options: query, isStream: true, statusCodes: EVERY_STATUS },
      (error, response) => {
        if (error === null || error === undefined) resolve(response as IncomingMessage);
        else reject(error);
      },
    );
  });
}

// docker-modem reads DOCKER_HOST even when it is told a socket, and then prefers it, loads certificates, or throws.
function withoutDockerHost(make: () => DockerModem): DockerModem {
  const { DOCKER_HOST } = process.env;
  delete process.env['DOCKER_HOST'];
  try {
    return make();
  } finally {
    if (DOCKER_HOST !== undefined) process.env['DOCKER_HOST'] = DOCKER_HOST;
  }
}
