import type { IncomingMessage } from 'node:http';
import type DockerModem from 'docker-modem';

/** Sends one GET to the engine; resolves with the response once its headers are there, whatever its status. */
export type Transport = (path: string, query?: Readonly<Record<string, string>>) => Promise<IncomingMessage>;

// docker-modem hands over the bare response only for codes that the caller calls good. We want it for every code: what
// it does with the others is to collect the body, however long.
const EVERY_STATUS: Readonly<Record<number, true>> = Object.freeze(
  Object.fromEntries(Array.from({ length: 500 }, (_, index) => [index + 100, true as const])),
);

/**
 * The way to an engine on a unix socket: dockerode's own transport, docker-modem, and not dockerode itself, which at
 * import loads a gRPC stack for image builds and has no bound on an answer. No agent is given: docker-modem prints its
 * options, an agent with all its sockets included, for every request.
 */
export async function openTransport(socketPath: string, responseTimeoutMs: number): Promise<Transport> {
  // Loaded here and not above: a node without an engine never needs it.
  const { default: Modem } = await import('docker-modem');
  const modem = withoutDockerHost(
    () => new Modem({ socketPath, host: undefined, protocol: 'http', connectionTimeout: responseTimeoutMs }),
  );
  return (path, query = {}) =>
    new Promise((resolve, reject) => {
      const hasQuery = Object.keys(query).length > 0;
      modem.dial(
        {
          path: hasQuery ? `${path}?` : path,
          method: 'GET',
          options: query,
          isStream: true,
          statusCodes: EVERY_STATUS,
        },
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
