// What a running agent costs, with real containers and a real collector beside it.
// Usage: npm run bench -- agent [--containers 200] [--only idle,latency,sweep] [--output json]; --help for the rest.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setUp } from '../scripts/setup.mjs';
import { openEngine } from './agent/engine.ts';
import type { Engine } from './agent/engine.ts';
import { measureIdle } from './agent/idle.ts';
import { measureLatency } from './agent/latency.ts';
import { memoryMiB, memoryOfAllMiB } from './agent/process-cost.ts';
import { startProgram } from './agent/programs.ts';
import type { Program } from './agent/programs.ts';
import { measureSweeps } from './agent/sweep.ts';
import { printFigures } from './figures.ts';
import type { Figure } from './figures.ts';

const HELP = `Measures a running agent, and beside each figure the least that it could be.

  --containers N        containers that run meanwhile (200)
  --only WORDS          of idle,latency,sweep (all)
  --idle-seconds N      how long nothing happens (120)
  --starts N            containers that are started one after the other, 5 a second (100)
  --sweeps N            sweeps that are measured (10)
  --broker              agent and broker as two processes: idle only, with the sum of both
  --docker-socket PATH  an engine that runs already; what is started there is removed again (one of its own)
  --output json         the figures for programs

Needs root, dockerd, a static busybox and ss (iproute2).`;

const { values } = parseArgs({
  options: {
    containers: { type: 'string', default: '200' },
    only: { type: 'string', default: 'idle,latency,sweep' },
    'idle-seconds': { type: 'string', default: '120' },
    starts: { type: 'string', default: '100' },
    sweeps: { type: 'string', default: '10' },
    broker: { type: 'boolean', default: false },
    'docker-socket': { type: 'string' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
const STARTS_PER_SECOND = 5;
/** Containers are looked at again half a minute after their start. */
const SETTLE_MS = 40_000;

if (values.help) console.log(HELP);
else {
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)));
  });
  setUp();
  const closing: (() => Promise<void> | void)[] = [];
  try {
    printFigures(await Promise.race([measure(closing), interrupted]), values.output);
  } finally {
    for (const close of closing.toReversed()) await close();
  }
  // What was interrupted may still wait for something.
  process.exit();
}

async function measure(closing: (() => Promise<void> | void)[]): Promise<readonly Figure[]> {
  const only = new Set(values.broker ? ['idle'] : values.only.split(','));
  const engine = await openEngine(values['docker-socket']);
  closing.push(engine.close);
  await fill(engine, Number(values.containers));
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  const ports = ['--listen=127.0.0.1:0', '--api=127.0.0.1:0'];
  const collector = await startProgram(['collector', `--data-dir=${directory}`, ...ports, '--sink-ndjson=off']);
  closing.push(collector.stop);
  const { api, listen } = collector.ready as { api: { host: string; port: number }; listen: { port: number } };
  const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();

  const begin = async (...args: readonly string[]): Promise<Program> => {
    const program = await startProgram(args);
    closing.push(program.stop);
    return program;
  };
  const target = [`--data-dir=${directory}`, `--collector=127.0.0.1:${String(listen.port)}`] as const;
  const docker = `--docker-host=unix://${engine.socket}`;
  const start = (...more: readonly string[]): Promise<Program> => begin('agent', ...target, docker, ...more);
  const figures: Figure[] = [];
  if (values.broker) {
    const path = join(directory, 'broker', 'broker.sock');
    const broker = await begin('broker', docker, `--socket=${path}`);
    // The budget that units and manifests set for both: above the default one, memory is reclaimed every minute.
    const agent = await begin('agent', ...target, `--broker=unix://${path}`, '--agent-memory-budget=192MiB');
    const pids = [agent.pid, broker.pid];
    await sleep(5000 + SETTLE_MS);
    for (const [name, pid] of Object.entries({ agent: agent.pid, broker: broker.pid }))
      figures.push({ name: `memory of the ${name}`, unit: 'MiB resident', value: memoryMiB(pid) });
    figures.push({ name: 'memory of both, shared pages once', unit: 'MiB', value: memoryOfAllMiB(pids), goal: 140 });
    const seconds = Number(values['idle-seconds']);
    figures.push(...(await measureIdle({ pids, port: listen.port, socket: engine.socket, seconds, goal: 0.3 })));
  } else if (only.has('idle') || only.has('latency')) {
    const agent = await start();
    // By then it has given back what the start took.
    await sleep(5000);
    figures.push({ name: 'memory after the start', unit: 'MiB resident', value: memoryMiB(agent.pid), goal: 90 });
    if (only.has('idle')) await sleep(SETTLE_MS);
    const idle = {
      pids: [agent.pid],
      goal: 0.2,
      port: listen.port,
      socket: engine.socket,
      seconds: Number(values['idle-seconds']),
    };
    if (only.has('idle')) figures.push(...(await measureIdle(idle)));
    const starts = { pid: agent.pid, starts: Number(values.starts), startsPerSecond: STARTS_PER_SECOND };
    if (only.has('latency')) figures.push(...(await measureLatency({ engine, api, token, ...starts })));
    await agent.stop();
  }
  if (only.has('sweep')) {
    const agent = await start('--sweep-interval=10s', '--log-level=debug');
    await sleep(5000);
    figures.push(...(await measureSweeps(agent, engine, Number(values.sweeps))));
    await agent.stop();
  }
  return figures;
}

async function fill(engine: Engine, containers: number): Promise<void> {
  const missing = Math.max(0, containers - (await engine.running()).length);
  for (let number = 0; number < missing; number += 1) {
    const id = await engine.create(`${String(process.pid)}-${String(number)}`);
    await engine.call('POST', `/containers/${id}/start`);
  }
}
