import { Agent, request } from 'node:http';

/** How containers differ: what the checks judge. `brief` exits at once. */
const HOST_CONFIGS = {
  plain: {},
  privileged: { Privileged: true },
  unconfined: { SecurityOpt: ['seccomp=unconfined'] },
  careful: { ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], PidsLimit: 20 },
  capable: { CapAdd: ['SYS_ADMIN', 'NET_RAW'], Memory: 67_108_864 },
  hostPid: { PidMode: 'host' },
  brief: {},
} as const satisfies Record<string, object>;

/** A kind of container. */
export type Flavour = keyof typeof HOST_CONFIGS;

/** All kinds. */
export const FLAVOURS = Object.keys(HOST_CONFIGS) as readonly Flavour[];

/** What happens to a container. `again`: one that was stopped and not removed. */
export type Operation =
  | { readonly kind: 'start'; readonly name: string; readonly flavour: Flavour }
  | { readonly kind: 'again'; readonly name: string }
  | { readonly kind: 'stop' | 'remove'; readonly name: string };

/** One time in which a container ran: from after its start to before its end, by the clock of the test. */
export interface Life {
  readonly id: string;
  readonly name: string;
  readonly startedMs: number;
  /** undefined: it runs. */
  endedMs: number | undefined;
}

/** The containers of one test on a Docker engine. */
export interface Containers {
  /** Does it, and rejects if the engine does not. */
  readonly operate: (operation: Operation) => Promise<void>;
  /** Every time that a container ran, but for brief ones. */
  readonly lives: () => readonly Life[];
  /** Ids of all that ever were. */
  readonly ids: () => ReadonlySet<string>;
  /** Removes them all. */
  readonly clear: () => Promise<void>;
}

const IMAGE = 'plimsoll-test/busybox:1';
const LABEL = 'plimsoll-chaos';

/** Containers on the engine at `socketPath`; `run` tells them from those of others. */
export function createContainers(socketPath: string, run: string): Containers {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const call = async (method: string, path: string, good: readonly number[], body?: unknown): Promise<string> => {
    const { status, text } = await exchange({ agent, socketPath, method, path }, body);
    if (!good.includes(status)) throw new Error(`${method} ${path}: ${String(status)} ${text}`);
    return text;
  };
  const known = new Map<string, { readonly id: string; readonly flavour: Flavour }>();
  const ids = new Set<string>();
  const lives: Life[] = [];

  const create = async (name: string, flavour: Flavour): Promise<void> => {
    const body = {
      Image: IMAGE,
      Cmd: flavour === 'brief' ? ['/bin/sh', '-c', 'exit 0'] : ['/bin/sleep', '3600'],
      Labels: { [LABEL]: run },
      HostConfig: { NetworkMode: 'none', ...HOST_CONFIGS[flavour] },
    };
    const answer = await call('POST', `/containers/create?name=${LABEL}-${run}-${name}`, [201], body);
    const { Id: id } = JSON.parse(answer) as { Id: string };
    known.set(name, { id, flavour });
    ids.add(id);
  };
  const start = async (name: string): Promise<void> => {
    const { id, flavour } = one(name);
    await call('POST', `/containers/${id}/start`, [204]);
    if (flavour !== 'brief') lives.push({ id, name, startedMs: Date.now(), endedMs: undefined });
  };
  const ended = (id: string): void => {
    const life = lives.findLast((candidate) => candidate.id === id);
    if (life !== undefined) life.endedMs ??= Date.now();
  };
  const one = (name: string): { readonly id: string; readonly flavour: Flavour } => {
    const found = known.get(name);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  };

  return {
    operate: async (operation) => {
      const { name } = operation;
      switch (operation.kind) {
        case 'start':
          await create(name, operation.flavour);
          return start(name);
        case 'again':
          return start(name);
        case 'stop': {
          const { id } = one(name);
          ended(id);
          // 409: it has already exited.
          await call('POST', `/containers/${id}/kill`, [204, 409]);
          return;
        }
        case 'remove': {
          const { id } = one(name);
          ended(id);
          await call('DELETE', `/containers/${id}?force=1`, [204]);
        }
      }
    },
    lives: () => lives,
    ids: () => ids,
    clear: async () => {
      await Promise.allSettled([...ids].map((id) => call('DELETE', `/containers/${id}?force=1`, [204, 404, 409])));
      agent.destroy();
    },
  };
}

interface Exchange {
  readonly agent: Agent;
  readonly socketPath: string;
  readonly method: string;
  readonly path: string;
}

function exchange(options: Exchange, body: unknown): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request({ ...options, headers, timeout: 60_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('the engine does not answer')));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
