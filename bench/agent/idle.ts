import { spawn, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE } from '../../scripts/setup.mjs';
import type { Figure } from '../figures.ts';
import { cpuMs } from './process-cost.ts';

/** What is watched while nothing happens. */
export interface IdleOptions {
  /** One agent, or agent and broker. */
  readonly pids: readonly number[];
  /** In percent of a core. */
  readonly goal: number;
  /** Port of the collector that the agent is connected to. */
  readonly port: number;
  readonly socket: string;
  readonly seconds: number;
}

/** The least that could watch: a timer, and the event stream of the engine. */
const FLOOR = `
  const { request } = await import('node:http');
  request({ socketPath: process.argv[1], path: '/events' }, (response) => response.resume()).end();
  setInterval(() => {}, 30_000);
`;

/** CPU and bytes on the wire of an agent to which nothing happens. */
export async function measureIdle({ pids, goal, port, socket, seconds }: IdleOptions): Promise<readonly Figure[]> {
  const agentMs = (): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const floor = spawn(NODE, ['--input-type=module', '--eval', FLOOR, socket], { stdio: 'ignore' });
  try {
    // Both have settled by then.
    await sleep(5000);
    const before = { agent: agentMs(), floor: cpuMs(floor.pid ?? 0), bytes: wireBytes(port) };
    const startedMs = performance.now();
    await sleep(seconds * 1000);
    const tookMs = performance.now() - startedMs;
    const share = (milliseconds: number): number => (milliseconds / tookMs) * 100;
    return [
      {
        name: 'idle CPU',
        unit: '% of a core',
        value: share(agentMs() - before.agent),
        goal,
        floor: { what: 'a timer and the event stream', value: share(cpuMs(floor.pid ?? 0) - before.floor) },
      },
      {
        name: 'idle wire, both ways',
        unit: 'bytes a minute',
        value: ((wireBytes(port) - before.bytes) / tookMs) * 60_000,
        goal: 1024,
      },
    ];
  } finally {
    floor.kill('SIGKILL');
  }
}

/** Bytes that TCP carried for the session, both ways, TLS and all: counted by the kernel (`ss -i`, tcp_info). */
function wireBytes(port: number): number {
  const { stdout } = spawnSync('ss', ['-tinH', 'dport', '=', `:${String(port)}`], { encoding: 'utf8' });
  const counts = [...stdout.matchAll(/bytes_(?:sent|received):(\d+)/g)].map(([, bytes]) => Number(bytes));
  return counts.reduce((sum, bytes) => sum + bytes, 0);
}
