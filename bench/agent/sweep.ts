import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { percentile } from '../figures.ts';
import type { Engine } from './engine.ts';
import { cpuMs, memoryMiB } from './process-cost.ts';
import type { Program } from './programs.ts';

/** What an agent says at the end of a sweep, with log-level debug. */
const SWEPT = 'full round';
/** A sweep lasts less than a second; by then it is over, and so is what V8 does after it. */
const SETTLE_MS = 1500;
/** Sweeps are at least eight seconds apart: what the agent does in most of that time belongs to no sweep. */
const BETWEEN_MS = 4000;
/** The first are those in which V8 learns what is called often. */
const WARM_UP_SWEEPS = 2;

/** The CPU of whole sweeps, and the memory after them; the agent sweeps every few seconds. */
export async function measureSweeps(agent: Program, engine: Engine, sweeps: number): Promise<readonly Figure[]> {
  const costs: number[] = [];
  let before = cpuMs(agent.pid);
  for (let seen = agent.logged(SWEPT); costs.length < WARM_UP_SWEEPS + sweeps;) {
    await sleep(250);
    if (agent.logged(SWEPT) > seen) {
      await sleep(SETTLE_MS);
      costs.push(cpuMs(agent.pid) - before);
      seen = agent.logged(SWEPT);
      await sleep(BETWEEN_MS);
      before = cpuMs(agent.pid);
    }
  }
  costs.splice(0, WARM_UP_SWEEPS);
  const ids = await engine.running();
  const floors: number[] = [];
  for (let run = 0; run < sweeps; run += 1) floors.push(await inspectAll(engine.socket, ids));
  return [
    {
      name: `a sweep of ${String(ids.length)} containers, median of ${String(sweeps)}`,
      unit: 'ms CPU',
      value: percentile(costs, 0.5),
      goal: 120,
      floor: { what: 'their inspect answers, unread', value: percentile(floors, 0.5) },
    },
    { name: 'memory after the sweeps', unit: 'MiB resident', value: memoryMiB(agent.pid), goal: 90 },
    { name: 'memory, highest ever', unit: 'MiB resident', value: memoryMiB(agent.pid, 'VmHWM') },
  ];
}

/** CPU of this process for asking the engine about each container, over one connection, without reading what it says. */
async function inspectAll(socket: string, ids: readonly string[]): Promise<number> {
  const connection = connect(socket);
  const started = process.cpuUsage();
  for (const id of ids)
    await new Promise<void>((resolve) => {
      const onData = (bytes: Buffer): void => {
        // The last, empty chunk.
        if (!bytes.subarray(-5).equals(Buffer.from('0\r\n\r\n'))) return;
        connection.off('data', onData);
        resolve();
      };
      connection.on('data', onData);
      connection.write(`GET /containers/${id}/json HTTP/1.1\r\nHost: docker\r\n\r\n`);
    });
  const { user, system } = process.cpuUsage(started);
  connection.destroy();
  return (user + system) / 1000;
}
