// How a collector carries a large fleet: simulated agents, each with a certificate and a TLS connection of its own, in
// processes of their own, against `plimsoll collector` as it is run for people.
// Usage: npm run bench -- fleet [--agents 2000]; --help for the rest.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { setUp } from '../scripts/setup.mjs';
import { ensureAuthority } from '../service/tls/authority.ts';
import type { Issuer } from '../service/tls/issue.ts';
import { cpuMs, memoryMiB } from './agent/process-cost.ts';
import { startProgram } from './agent/programs.ts';
import type { Program } from './agent/programs.ts';
import { percentile, printFigures } from './figures.ts';
import type { Figure } from './figures.ts';
import { agents } from './fleet/agents.ts';
import { floor, QUERY } from './fleet/floor.ts';
import type { FloorOptions, FloorRequest, FloorState } from './fleet/floor.ts';
import type { AgentsOptions, AgentsRequest, AgentsState } from './fleet/agents.ts';
import { serveRole, startRole } from './ingest/roles.ts';
import type { Role } from './ingest/roles.ts';
import { scanTemplates } from './ingest/templates.ts';

const HELP = `Measures a collector with a fleet of simulated agents.

  --agents N        agents, each with a TLS connection (2000)
  --findings N      findings of each agent (150)
  --processes N     processes that hold the agents (4)
  --connect N       new connections a second (400)
  --seconds N       length of the windows for heartbeats and changes (30)
  --changes N       changes a second, one finding each (2000)
  --queries N       live queries over all agents (20)
  --only WORDS      of floor,heartbeats,changes,query,storm (all)
  --templates FILE  output of \`plimsoll scan -o json\` that the findings are made of (a scan of this machine)
  --flags FLAGS     flags of Node for the collector, to compare
  --profile DIR     write a CPU profile of the collector there
  --output json     the figures for programs

The simulated agents share one core, so that they leave the others to the collector.`;

const { values } = parseArgs({
  options: {
    role: { type: 'string' },
    agents: { type: 'string', default: '2000' },
    findings: { type: 'string', default: '150' },
    processes: { type: 'string', default: '4' },
    connect: { type: 'string', default: '400' },
    seconds: { type: 'string', default: '30' },
    changes: { type: 'string', default: '2000' },
    queries: { type: 'string', default: '20' },
    only: { type: 'string', default: 'floor,heartbeats,changes,query,storm' },
    templates: { type: 'string' },
    flags: { type: 'string', default: '' },
    profile: { type: 'string' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
/** The agents of a real fleet take nothing from the collector. On a machine with one core they have to. */
const AGENTS_CORE = availableParallelism() > 1 ? 1 : 0;
/** As a real agent is asked to (collector/session/settings.ts). */
const HEARTBEAT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 120_000;
/** Agents of the floor, at most: they stay connected beside the others. */
const MAX_FLOOR_AGENTS = 1000;
/** Windows for changes, each followed by one of the floor: the speed of a machine with other work varies by the minute. */
const ROUNDS = 5;

if (values.role === 'floor') serveRole(floor);
else if (values.role !== undefined) serveRole(agents);
else if (values.help) console.log(HELP);
else await run();

async function run(): Promise<void> {
  setUp();
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
  const closing: (() => Promise<void> | void)[] = [() => rmSync(directory, { recursive: true, force: true })];
  try {
    const templates = values.templates ?? join(directory, 'scan.json');
    if (values.templates === undefined) writeFileSync(templates, await scanTemplates());
    const authority = await ensureAuthority(join(directory, 'tls'), Date.now());
    printFigures(await measure({ directory, templates, authority, closing }), values.output);
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

interface Fleet {
  readonly collector: () => Program;
  readonly restart: () => Promise<void>;
  readonly ask: (request: AgentsRequest) => Promise<AgentsState>;
  readonly query: (expression: string) => Promise<number>;
}

interface BenchContext {
  readonly directory: string;
  readonly templates: string;
  readonly authority: Issuer;
  readonly closing: (() => Promise<void> | void)[];
}

async function measure(context: BenchContext): Promise<readonly Figure[]> {
  const only = new Set(values.only.split(','));
  const count = Number(values.agents);
  const floors = only.has('floor') ? await openFloors(context) : undefined;
  const fleet = await openFleet(context);
  const figures: Figure[] = [];
  const emptyMiB = memoryMiB(fleet.collector().pid);
  const before = { cpu: cpuMs(fleet.collector().pid), wall: performance.now() };
  await fleet.ask({ do: 'connect', perSecond: Number(values.connect) / Number(values.processes) });
  const connected = await fleet.ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  if (connected.connected !== count)
    throw new Error(`${String(connected.connected)} of ${values.agents} agents are connected`);
  figures.push(
    { name: 'first transfer of all agents', unit: 's', value: (performance.now() - before.wall) / 1000 },
    {
      name: 'CPU for an agent that connects and sends all',
      unit: 'ms',
      value: (cpuMs(fleet.collector().pid) - before.cpu) / count,
    },
  );
  await fleet.ask({ do: 'heartbeats', intervalMs: HEARTBEAT_MS });
  if (only.has('heartbeats')) figures.push(...(await heartbeats(fleet)));
  figures.push(
    {
      name: 'memory of the collector',
      unit: 'MiB resident',
      value: memoryMiB(fleet.collector().pid),
      goal: (1200 * count) / 10_000,
    },
    {
      name: 'memory for an agent',
      unit: 'KiB',
      value: ((memoryMiB(fleet.collector().pid) - emptyMiB) * 1024) / count,
      goal: 120,
      ...(floors && { floor: { what: 'grpc-js', value: floors.agentKiB } }),
    },
  );
  if (only.has('changes')) figures.push(...(await changes(fleet, floors)));
  if (only.has('query')) figures.push(...(await queries(fleet, floors)));
  if (only.has('storm')) figures.push(...(await storm(fleet)));
  const end = await fleet.ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  figures.push({ name: 'full transfers after the first', unit: '', value: end.resyncs, goal: 0 });
  await fleet.ask({ do: 'end' });
  return figures;
}

async function heartbeats(fleet: Fleet): Promise<readonly Figure[]> {
  await sleep(5000);
  const [pid, seconds] = [fleet.collector().pid, Number(values.seconds)];
  const before = { cpu: cpuMs(pid), wall: performance.now() };
  await sleep(seconds * 1000);
  const share = ((cpuMs(pid) - before.cpu) / (performance.now() - before.wall)) * 100;
  return [{ name: 'heartbeats', unit: '% of a core', value: share, goal: 20 }];
}

async function changes(fleet: Fleet, floors: Floors | undefined): Promise<readonly Figure[]> {
  const [own, least]: Changes[][] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    own?.push(await measureChanges(fleet.collector().pid, fleet.ask));
    if (floors !== undefined) least?.push(await measureChanges(floors.pid, floors.ask));
  }
  const { cpuUs, perSecond, ackMs } = sumOf(own ?? []);
  const floor = floors && { floor: { what: 'grpc-js and one row', value: sumOf(least ?? []).cpuUs } };
  return [
    { name: 'a delta with one change, stream to commit', unit: 'us CPU', value: cpuUs, goal: 60, ...floor },
    { name: 'changes taken', unit: 'a second', value: perSecond },
    { name: 'from a change to its Ack, p99', unit: 'ms', value: percentile(ackMs, 0.99) },
  ];
}

interface Changes {
  readonly done: number;
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly ackMs: readonly number[];
}

/** CPU time of a process while all agents change one finding after the other. */
async function measureChanges(pid: number, ask: Fleet['ask']): Promise<Changes> {
  const [seconds, perSecond] = [Number(values.seconds) / ROUNDS, Number(values.changes) / Number(values.processes)];
  const start = await ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  const before = { cpu: cpuMs(pid), wall: performance.now() };
  const made = await ask({ do: 'change', perSecond, seconds });
  const settled = await ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  return {
    done: settled.changes - start.changes,
    cpuMs: cpuMs(pid) - before.cpu,
    wallMs: performance.now() - before.wall,
    ackMs: [...made.ackMs, ...settled.ackMs],
  };
}

function sumOf(windows: readonly Changes[]): {
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly ackMs: readonly number[];
} {
  const sum = (value: (window: Changes) => number): number =>
    windows.reduce((total, window) => total + value(window), 0);
  const done = sum((window) => window.done);
  return {
    cpuUs: (sum((window) => window.cpuMs) * 1000) / done,
    perSecond: (done / sum((window) => window.wallMs)) * 1000,
    ackMs: windows.flatMap(({ ackMs }) => ackMs),
  };
}

interface Floors {
  readonly pid: number;
  readonly agents: number;
  readonly ask: Fleet['ask'];
  /** Times of so many live queries over its agents. */
  readonly query: (queries: number) => Promise<readonly number[]>;
  readonly agentKiB: number;
}

/** The same agents and messages: what grpc-js and SQLite take for them, and nothing done with them. */
async function openFloors(context: BenchContext): Promise<Floors> {
  const agents = Math.min(Number(values.agents), MAX_FLOOR_AGENTS);
  const { directory, authority } = context;
  const options: FloorOptions = { directory, authority, rows: agents * Number(values.findings) };
  const server = await startRole('floor', options, { script: fileURLToPath(import.meta.url) });
  context.closing.push(server.stop);
  const request = (given: FloorRequest): Promise<FloorState> => server.ask<FloorState>(given);
  const { pid, address } = await request({});
  const emptyMiB = memoryMiB(pid);
  const { ask } = await openAgents(address, { ...context, agents });
  await ask({ do: 'connect', perSecond: Number(values.connect) / Number(values.processes) });
  await ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  return {
    pid,
    agents,
    ask,
    query: async (queries) => (await request({ queries })).queryMs,
    agentKiB: ((memoryMiB(pid) - emptyMiB) * 1024) / agents,
  };
}

async function queries(fleet: Fleet, floors: Floors | undefined): Promise<readonly Figure[]> {
  const [count, agents] = [Number(values.queries), Number(values.agents)];
  const before = await fleet.ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  const own = await costOf(fleet.collector().pid, count * agents, async () => {
    const times: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const startedMs = performance.now();
      const answered = await fleet.query(QUERY);
      if (answered !== agents) throw new Error(`${String(answered)} agents answered a query`);
      times.push(performance.now() - startedMs);
    }
    return times;
  });
  const after = await fleet.ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  await floors?.ask({ do: 'heartbeats', intervalMs: HEARTBEAT_MS });
  const least = floors && (await costOf(floors.pid, count * floors.agents, () => floors.query(count)));
  await floors?.ask({ do: 'heartbeats', intervalMs: 0 });
  const what = 'grpc-js, as many messages';
  return [
    { name: 'live query over all agents, p95', unit: 'ms', value: percentile(own.times, 0.95), goal: 1000 },
    {
      name: 'a live query, CPU for each agent',
      unit: 'us',
      value: own.cpuUs,
      goal: 100,
      ...(least && { floor: { what, value: least.cpuUs } }),
    },
    {
      name: 'CPU of the simulated agents for each answer',
      unit: 'us',
      value: ((after.cpuMs - before.cpuMs) * 1000) / (count * agents),
    },
  ];
}

/** CPU time of a process for each of `messages` answers while `work` is done, with what it returns. */
async function costOf(
  pid: number,
  messages: number,
  work: () => Promise<readonly number[]>,
): Promise<{ readonly times: readonly number[]; readonly cpuUs: number }> {
  const beforeMs = cpuMs(pid);
  const times = await work();
  return { times, cpuUs: ((cpuMs(pid) - beforeMs) * 1000) / messages };
}

/** The collector is killed and started again while findings change; then all agents connect at once. */
async function storm(fleet: Fleet): Promise<readonly Figure[]> {
  const start = await fleet.ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  const changing = fleet.ask({ do: 'change', perSecond: 50, seconds: 10 });
  const startedMs = performance.now();
  await fleet.restart();
  await changing;
  const settled = await fleet.ask({ do: 'settle', timeoutMs: SETTLE_TIMEOUT_MS });
  return [
    {
      name: 'CPU for an agent that comes back',
      unit: 'ms',
      value: cpuMs(fleet.collector().pid) / settled.agents,
    },
    {
      name: 'all agents connected and acknowledged after a kill',
      unit: 's',
      value: (performance.now() - startedMs) / 1000,
    },
    { name: 'agents that did not come back', unit: '', value: settled.agents - settled.connected, goal: 0 },
    {
      name: 'connections that were made again',
      unit: 'an agent',
      value: (settled.reconnects - start.reconnects) / settled.agents,
    },
    { name: 'memory of the collector after it', unit: 'MiB resident', value: memoryMiB(fleet.collector().pid) },
  ];
}

async function openFleet(context: BenchContext): Promise<Fleet> {
  const { directory, closing } = context;
  const profile = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const flags = [...profile, ...values.flags.split(' ').filter((flag) => flag !== '')];
  const start = (listen: string): Promise<Program> =>
    startProgram(
      ['collector', `--data-dir=${directory}`, `--listen=${listen}`, '--api=127.0.0.1:0', '--sink-ndjson=off'],
      flags,
    );
  let collector = await start('127.0.0.1:0');
  closing.push(() => collector.stop());
  const { listen } = collector.ready as { listen: { port: number } };
  const address = `127.0.0.1:${String(listen.port)}`;
  const token = readFileSync(join(directory, 'operator-token'), 'utf8').trim();
  const { ask } = await openAgents(address, { ...context, agents: Number(values.agents) });
  return {
    collector: () => collector,
    restart: async () => {
      process.kill(collector.pid, 'SIGKILL');
      await sleep(1000);
      collector = await start(address);
    },
    ask,
    query: async (expression) => {
      const { api } = collector.ready as { api: { port: number } };
      const response = await fetch(`http://127.0.0.1:${String(api.port)}/v1/query`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ expression, deadlineMs: 30_000 }),
      });
      const { answers } = (await response.json()) as { answers: readonly { outcome: string }[] };
      return answers.filter(({ outcome }) => outcome === 'ok').length;
    },
  };
}

/** Starts the processes of agents for a server at `address`; the result asks all of them. */
async function openAgents(
  address: string,
  { templates, authority, closing, agents: count }: BenchContext & { readonly agents: number },
): Promise<Pick<Fleet, 'ask'>> {
  const roles: Role[] = [];
  const processes = Number(values.processes);
  for (let index = 0; index < processes; index += 1) {
    const nodeIds = Array.from({ length: count }, (_, number) => `node-${String(number + 1)}`).filter(
      (_, number) => number % processes === index,
    );
    const options: AgentsOptions = { address, authority, nodeIds, templates, findings: Number(values.findings) };
    const script = fileURLToPath(import.meta.url);
    const role = await startRole('agents', options, { script, core: AGENTS_CORE });
    roles.push(role);
    closing.push(role.stop);
  }
  const ask: Fleet['ask'] = async (request) => {
    const states = await Promise.all(roles.map((role) => role.ask<AgentsState>(request)));
    const sum = (key: Exclude<keyof AgentsState, 'ackMs'>): number =>
      states.reduce((total, state) => total + state[key], 0);
    return {
      agents: sum('agents'),
      connected: sum('connected'),
      pending: sum('pending'),
      changes: sum('changes'),
      resyncs: sum('resyncs'),
      reconnects: sum('reconnects'),
      cpuMs: sum('cpuMs'),
      ackMs: states.flatMap(({ ackMs }) => ackMs),
    };
  };
  return { ask };
}
