// A simulated day: does an agent with its collector grow? Usage: npm run bench -- soak [--hours 24]; --help for the rest.
import { parseArgs } from 'node:util';
import { printFigures } from './figures.ts';
import type { Figure } from './figures.ts';
import { simulateDay } from './soak/day.ts';
import type { DayOptions } from './soak/day.ts';
import { growth } from './soak/trend.ts';
import type { Sample } from './soak/trend.ts';

const HELP = `A whole agent and a whole collector in one process on a simulated clock, containers that come and go.

  --hours N        simulated (24)
  --containers N   that run at any time (20)
  --churn N        that end and are replaced every half minute (2)
  --settle N       hours that do not count yet: caches fill, tables are made (6)
  --output json    the figures for programs`;

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '24' },
    containers: { type: 'string', default: '20' },
    churn: { type: 'string', default: '2' },
    settle: { type: 'string', default: '6' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(HELP);
else {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const problem = (fields: object, message: string): void => console.error(message, JSON.stringify(fields));
  const options: DayOptions = {
    hours: Number(values.hours),
    containers: Number(values.containers),
    churn: Number(values.churn),
    samplesPerHour: 1,
    log: { debug: () => undefined, info: () => undefined, warn: problem, error: problem },
    signal: stopping.signal,
    onSample: ({ hour, heapBytes, rssBytes, descriptors, spoolBytes }) =>
      console.error(
        `hour ${String(hour).padStart(2)}  heap ${mib(heapBytes)} MiB  resident ${mib(rssBytes)} MiB  ` +
          `descriptors ${String(descriptors)}  spool ${String(spoolBytes)} bytes`,
      ),
  };
  const { samples, started } = await simulateDay(options);
  console.error(`${String(started)} containers were started`);
  printFigures(figuresOf(samples, Math.min(Number(values.settle), Number(values.hours) / 2)), values.output);
  process.exit();
}

function figuresOf(samples: readonly Sample[], fromHour: number): readonly Figure[] {
  const settled = samples.filter(({ hour }) => hour >= fromHour);
  const [early, late] = [settled.slice(0, settled.length / 2), settled.slice(settled.length / 2)];
  const most = (of: readonly Sample[], measure: 'descriptors' | 'spoolBytes'): number =>
    Math.max(...of.map((sample) => sample[measure]));
  const kib = (measure: 'heapBytes' | 'rssBytes'): number => growth(samples, measure, fromHour) / 1024;
  return [
    { name: 'live objects, growth', unit: 'KiB an hour', value: kib('heapBytes'), goal: 16 },
    { name: 'resident memory of both, growth', unit: 'KiB an hour', value: kib('rssBytes') },
    {
      name: 'descriptors, more at the most in the later half',
      unit: '',
      value: most(late, 'descriptors') - most(early, 'descriptors'),
      goal: 0,
    },
    { name: 'spool, at the most', unit: 'bytes', value: most(settled, 'spoolBytes'), goal: 256 * 1024 },
  ];
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1).padStart(6);
}
