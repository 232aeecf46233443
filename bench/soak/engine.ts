import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';

/** An engine in memory that speaks the Docker API on a unix socket, as far as an agent asks. */
export interface SimulatedEngine {
  /** Starts a container whose first process is `pid`; answers its id. */
  readonly start: (pid: number) => string;
  readonly stop: (id: string) => void;
  readonly running: () => readonly string[];
  readonly close: () => Promise<void>;
}

interface Container {
  readonly name: string;
  readonly pid: number;
}

/** Listens on `socket`. */
export async function startEngine(socket: string): Promise<SimulatedEngine> {
  const containers = new Map<string, Container>();
  const followers = new Set<ServerResponse>();
  let started = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path.startsWith('/events')) {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      followers.add(response);
      response.on('close', () => followers.delete(response));
      return;
    }
    const answer = answerTo(path, containers);
    response.statusCode = answer === undefined ? 404 : 200;
    response.end(JSON.stringify(answer ?? { message: 'no such thing' }));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const tell = (action: string, id: string): void => {
    const line = JSON.stringify({ Type: 'container', Action: action, Actor: { ID: id } });
    for (const follower of followers) follower.write(`${line}\n`);
  };
  return {
    start: (pid) => {
      started += 1;
      const id = started.toString(16).padStart(64, '0');
      containers.set(id, { name: `soak-${String(started)}`, pid });
      tell('start', id);
      return id;
    },
    stop: (id) => {
      containers.delete(id);
      tell('die', id);
    },
    running: () => [...containers.keys()],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** undefined: there is no such thing. */
function answerTo(path: string, containers: ReadonlyMap<string, Container>): unknown {
  if (path === '/version') return { Version: '26.1.5', ApiVersion: '1.45', Os: 'linux', Arch: 'amd64' };
  if (path === '/info') return { ID: 'soak', Name: 'soak', DockerRootDir: '/var/lib/docker', SecurityOptions: [] };
  if (path === '/containers/json') return [...containers.keys()].map((Id) => ({ Id }));
  if (path.split('?', 1)[0] === '/images/json') return [];
  const [, id = ''] = /^\/containers\/([0-9a-f]{64})\/json$/.exec(path) ?? [];
  const container = containers.get(id);
  if (container === undefined) return undefined;
  const { name, pid } = container;
  return {
    Id: id,
    Name: `/${name}`,
    Image: `sha256:${'0'.repeat(64)}`,
    State: { Running: true, Pid: pid, StartedAt: '2026-01-01T00:00:00Z' },
    Config: { User: '', Image: 'soak:1', Labels: {} },
    HostConfig: { Privileged: false, NetworkMode: 'default', RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } },
    Mounts: [],
    NetworkSettings: { Ports: {}, Networks: { bridge: {} } },
  };
}
