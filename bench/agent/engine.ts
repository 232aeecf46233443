import { request } from 'node:http';
import { startDockerd, TEST_IMAGE } from '../../scripts/dockerd.mjs';

/** A Docker engine to measure with. */
export interface Engine {
  readonly socket: string;
  readonly call: (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => Promise<unknown>;
  /** Ids of running containers. */
  readonly running: () => Promise<readonly string[]>;
  /** Makes a container that sleeps; it is not started yet. Answers its id. */
  readonly create: (name: string) => Promise<string>;
  /** Removes containers that were made here. */
  readonly remove: (ids: readonly string[]) => Promise<void>;
  /** Removes the containers that were made here, and what else was started. */
  readonly close: () => Promise<void>;
}

/** An engine of its own, or the one on `socket`. */
export async function openEngine(socket: string | undefined): Promise<Engine> {
  if (socket !== undefined) return engineOn(socket, () => Promise.resolve());
  const own = await startDockerd();
  if (own.socket === undefined) throw new Error(`no Docker daemon: ${own.reason}`);
  return engineOn(own.socket, own.stop);
}

function engineOn(socket: string, stop: () => Promise<void>): Engine {
  const made = new Set<string>();
  const call: Engine['call'] = (method, path, body) =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const asked = request({ socketPath: socket, method, path, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => {
          if ((response.statusCode ?? 500) < 400) resolve(text === '' ? undefined : JSON.parse(text));
          else reject(new Error(`${method} ${path}: ${text}`));
        });
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const remove: Engine['remove'] = async (ids) => {
    for (const id of ids) {
      made.delete(id);
      // One that is gone already is no loss.
      await call('DELETE', `/containers/${id}?force=1`).catch(() => undefined);
    }
  };
  return {
    socket,
    call,
    running: async () => ((await call('GET', '/containers/json')) as { Id: string }[]).map(({ Id }) => Id),
    create: async (name) => {
      const settings = { Image: TEST_IMAGE, Cmd: ['/bin/sleep', '360000'] };
      const { Id } = (await call('POST', `/containers/create?name=bench-${name}`, settings)) as { Id: string };
      made.add(Id);
      return Id;
    },
    remove,
    close: async () => {
      await remove([...made]);
      await stop();
    },
  };
}
