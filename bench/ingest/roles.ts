import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { NODE } from '../../scripts/setup.mjs';

/** What a process of the measurement is asked to do. */
export interface Ask {
  readonly do: 'prepare' | 'send' | 'end' | 'mark' | 'run' | 'watch' | 'seen';
  readonly phase?: string;
  readonly changes?: number;
  /** Of `watch`: where events are; of `seen`: wait for the event at this position. */
  readonly at?: number;
  /** Wait until everything is committed. */
  readonly acked?: boolean;
}

/** One process of the measurement, on one core. */
export interface Role {
  readonly ask: <T>(ask: object) => Promise<T>;
  readonly stop: () => Promise<void>;
}

/** The process of a role. */
interface RoleProcess {
  readonly script: string;
  readonly core?: number;
  readonly profile?: string | undefined;
  /** Of Node.js. */
  readonly flags?: readonly string[];
}

/** Starts `SCRIPT --role NAME`, on one core if it is given; `options` are what the role is made with. */
export async function startRole(
  name: string,
  options: object,
  { script, core, profile, flags = [] }: RoleProcess,
): Promise<Role> {
  const profiling =
    profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile, '--cpu-prof-interval', '500'];
  const args = [...flags, ...profiling, script, '--role', name];
  const [command, words] = core === undefined ? [NODE, args] : ['taskset', ['-c', String(core), NODE, ...args]];
  const child = spawn(command, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send(options);
  await answer(child);
  return {
    ask: async <T>(ask: object) => {
      child.send(ask);
      return (await answer(child)) as T;
    },
    stop: async () => {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}

function answer(child: ChildProcess): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const onExit = (code: number | null): void =>
    reject(new Error(`a process of the measurement ended with ${String(code)}`));
  child.once('exit', onExit);
  child.once('message', (told) => {
    child.off('exit', onExit);
    resolve((told as { readonly answer?: unknown }).answer);
  });
  return promise;
}

/** Runs in the process of a role: answers what it is asked until the parent lets go. */
export function serveRole<Request>(
  open: (options: never) => Promise<(ask: Request) => Promise<unknown>> | ((ask: Request) => Promise<unknown>),
): void {
  let act: ((ask: Request) => Promise<unknown>) | undefined;
  const respond = async (message: unknown): Promise<void> => {
    if (act === undefined) {
      act = await open(message as never);
      process.send?.({});
      return;
    }
    process.send?.({ answer: await act(message as Request) });
  };
  process.on('message', (message) => void respond(message));
  process.on('disconnect', () => process.exit(0));
}
