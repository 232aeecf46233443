// What `plimsoll scan` costs, beside `docker inspect` of the same containers (the floor) and docker-bench-security.
// Usage: npm run bench -- scan [--runs 5] [--containers 1,10,50,200] [--docker-bench DIR]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startDockerd, TEST_IMAGE } from '../scripts/dockerd.mjs';
import { NODE, ROOT, setUp } from '../scripts/setup.mjs';
import { measure, median } from './measure.ts';
import type { Cost } from './measure.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    containers: { type: 'string', default: '1,10,50,200' },
    'docker-bench': { type: 'string' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Measures \`plimsoll scan\` as a whole process, beside \`docker inspect\` of the same containers.

  --runs N            of each command, turn by turn; the median counts (5)
  --containers N,N    how many run (1,10,50,200)
  --docker-bench DIR  a checkout of docker-bench-security, to be measured too
  --output json       the figures for programs

Needs root, dockerd and a static busybox.`);
  process.exit();
}
setUp();
const runs = Number(values.runs);
const steps = values.containers.split(',').map(Number);
const dockerBench = values['docker-bench'];

const daemon = await startDockerd();
if (daemon.socket === undefined) throw new Error(`no Docker daemon: ${daemon.reason}`);
const environment = { DOCKER_HOST: `unix://${daemon.socket}` };
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void daemon.stop?.().finally(() => process.exit(1)));
const rows: object[] = [];
try {
  if (values.output !== 'json')
    console.log('containers  command                 CPU s   wall s  peak MiB  CPU against scan');
  let running = 0;
  const scans: { readonly containers: number; readonly cost: Cost }[] = [];
  for (const containers of steps) {
    for (; running < containers; running += 1) start(running);
    const scan: Cost[] = [];
    const inspect: Cost[] = [];
    const ids = docker('ps', '-q').trim().split('\n');
    // Turn by turn, so that both see the same machine.
    for (let run = 0; run < runs; run += 1) {
      scan.push(await measure([NODE, join(ROOT, 'bin', 'plimsoll.js'), 'scan', '--output', 'json'], environment));
      inspect.push(await measure(['docker', 'inspect', ...ids], environment));
    }
    const own = median(scan);
    if (own.exitCode === 2) throw new Error('plimsoll scan failed');
    scans.push({ containers, cost: own });
    print(containers, 'plimsoll scan', own, own);
    print(containers, 'docker inspect (all)', median(inspect), own);
    if (dockerBench !== undefined) {
      const command = ['bash', '-c', `cd "$1" && bash docker-bench-security.sh -b`, 'bench', dockerBench];
      print(containers, 'docker-bench-security', await measure(command, environment), own);
    }
  }
  const [first, last] = [scans[0], scans.at(-1)];
  if (first !== undefined && last !== undefined && last.containers > first.containers) {
    const slope = (last.cost.cpuSeconds - first.cost.cpuSeconds) / (last.containers - first.containers);
    if (values.output === 'json') console.log(JSON.stringify({ rows, eachFurtherContainerMs: slope * 1000 }, null, 2));
    else console.log(`each further container: ${(slope * 1000).toFixed(2)} ms CPU`);
  }
} finally {
  await daemon.stop();
}

function start(number: number): void {
  docker('run', '-d', '--name', `bench-${String(number)}`, TEST_IMAGE, '/bin/sleep', '36000');
}

function docker(...args: readonly string[]): string {
  const done = spawnSync('docker', args, { env: { ...process.env, ...environment }, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`docker ${args[0] ?? ''}: ${done.stderr}`);
  return done.stdout;
}

function print(containers: number, name: string, cost: Cost, own: Cost): void {
  rows.push({ containers, command: name, ...cost });
  if (values.output === 'json') return;
  const ratio = cost === own ? '' : `${(cost.cpuSeconds / own.cpuSeconds).toFixed(2)} ×`;
  const row = [
    String(containers).padStart(10),
    ` ${name.padEnd(22)}`,
    cost.cpuSeconds.toFixed(2).padStart(6),
    cost.wallSeconds.toFixed(2).padStart(7),
    cost.peakMiB.toFixed(0).padStart(8),
    ratio.padStart(10),
  ];
  console.log(row.join(' '));
}
