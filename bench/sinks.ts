// What delivery costs: events a CPU second from the outbox to NDJSON and to syslog over TLS, beside JSON.stringify and
// write of the same events (the floor); what a sink costs the others whose receiver does not answer; and, with
// --backlog, how a receiver that was down catches up while events keep coming.
// Usage: npm run bench -- sinks [--events 200000] [--runs 3] [--backlog 8600000]
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setUp } from '../scripts/setup.mjs';
import { issueCertificate } from '../service/tls/issue.ts';
import { percentile, printFigures } from './figures.ts';
import type { Figure } from './figures.ts';
import type { Mark } from './ingest/collector.ts';
import { serveRole, startRole } from './ingest/roles.ts';
import { scanTemplates } from './ingest/templates.ts';
import { catchUp } from './sinks/catch-up.ts';
import type { CaughtUp } from './sinks/catch-up.ts';
import { fillOutbox } from './sinks/outbox.ts';
import type { FilledOutbox } from './sinks/outbox.ts';
import { receiver } from './sinks/receiver.ts';
import type { ReceiverPorts } from './sinks/receiver.ts';
import { floor, sender } from './sinks/sender.ts';

const ROLES = { sender, floor, receiver, catchUp };
const SCRIPT = fileURLToPath(import.meta.url);
/** What is measured runs on the first core, what receives on the second. */
const [MEASURED, RECEIVING] = [0, 1];
/** As bin/plimsoll.js runs a collector; memory depends on them. */
const COLLECTOR_FLAGS = Object.freeze(['--max-semi-space-size=8', '--no-concurrent-sparkplug']);
/** CPU of an event at 30,000 and 15,000 events a second of one core, in microseconds; bytes of an event on disk. */
const GOALS = Object.freeze({ ndjson: 33.3, syslog: 60, bytes: 250 });

const { values } = parseArgs({
  options: {
    role: { type: 'string' },
    events: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '3' },
    backlog: { type: 'string' },
    templates: { type: 'string' },
    profile: { type: 'string' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Measures the delivery of events by sinks, from the outbox to the receiver.

  --events N        events of each run (200000)
  --runs N          of each, turn by turn; the median counts (3)
  --backlog N       instead: a receiver of syslog that was down while N events came catches up, beside 100 live
                    events a second to NDJSON
  --templates FILE  output of \`plimsoll scan -o json\` to make findings from; default: a scan of this machine
  --profile DIR     CPU profiles of what is measured
  --output json     the figures for programs`);
  process.exit();
}
if (values.role === undefined) await run();
else serveRole(ROLES[values.role as keyof typeof ROLES]);

async function run(): Promise<void> {
  setUp();
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bench-sinks-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const templates = values.templates ?? join(directory, 'scan.json');
  if (values.templates === undefined) writeFileSync(templates, await scanTemplates());
  const filled = await fillOutbox(directory, templates, Number(values.backlog ?? values.events));
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const server = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  const ca = join(directory, 'ca.pem');
  writeFileSync(ca, authority.certificatePem);
  const receiving = await startRole(
    'receiver',
    { cert: server.certificatePem, key: server.keyPem },
    { script: SCRIPT, core: RECEIVING },
  );
  const ports = (): Promise<ReceiverPorts> => receiving.ask<ReceiverPorts>({ do: 'count' });
  const { syslog, silent } = await ports();
  const file = join(directory, 'events.ndjson');
  const flags = {
    ndjson: { 'sink-ndjson': file, 'sink-ndjson-keep': '1' },
    syslog: { 'sink-ndjson': 'off', 'sink-syslog': `tls://127.0.0.1:${String(syslog)}`, 'sink-syslog-ca': ca },
    dead: {
      'sink-ndjson': file,
      'sink-ndjson-keep': '1',
      'sink-webhook': `https://127.0.0.1:${String(silent)}/x`,
      'sink-syslog': `tls://127.0.0.1:${String(silent)}`,
    },
  };
  try {
    const figures =
      values.backlog === undefined
        ? await throughput(filled, { ...flags, floor: { floor: file } })
        : await backlog(filled, { ...flags.syslog, 'sink-ndjson': file, 'sink-ndjson-keep': '1' });
    const { messages } = await ports();
    console.error(`${String(filled.events)} events in the outbox, ${String(messages)} messages at the receiver`);
    printFigures(figures, values.output);
  } finally {
    await receiving.stop();
  }
}

type Flags = Readonly<Record<string, string>>;

/** Microseconds of CPU an event, the median over the runs, of each way turn by turn. */
async function throughput(
  { path, events, bytesPerEvent }: FilledOutbox,
  flags: Readonly<Record<'ndjson' | 'syslog' | 'dead' | 'floor', Flags>>,
): Promise<readonly Figure[]> {
  const costs: Record<keyof typeof flags, number[]> = { ndjson: [], syslog: [], dead: [], floor: [] };
  for (let index = 0; index < Number(values.runs); index += 1)
    for (const way of ['floor', 'ndjson', 'syslog', 'dead'] as const) {
      const wanted = [way === 'syslog' ? 'syslog' : 'ndjson'];
      // The cursors of a run must not be those of the next.
      const place = `${path}.copy`;
      for (const suffix of ['-wal', '-shm']) rmSync(`${place}${suffix}`, { force: true });
      copyFileSync(path, place);
      const role = await startRole(
        way === 'floor' ? 'floor' : 'sender',
        { path: place, flags: flags[way], wanted, events },
        { script: SCRIPT, core: MEASURED, profile: values.profile },
      );
      const cost = await role.ask<Mark>({ do: 'run' });
      await role.stop();
      costs[way].push((cost.cpuMs * 1000) / cost.events);
    }
  const of = (way: keyof typeof flags): number => percentile(costs[way], 0.5);
  const least = { what: 'JSON.stringify and write', value: of('floor') };
  return [
    { name: 'NDJSON', unit: 'µs CPU an event', value: of('ndjson'), goal: GOALS.ndjson, floor: least },
    { name: 'syslog over TLS', unit: 'µs CPU an event', value: of('syslog'), goal: GOALS.syslog, floor: least },
    {
      name: 'NDJSON beside two dead sinks',
      unit: 'µs CPU an event',
      value: of('dead'),
      floor: { what: 'without them', value: of('ndjson') },
    },
    { name: 'an event that waits, on the disk', unit: 'bytes', value: bytesPerEvent, goal: GOALS.bytes },
  ];
}

async function backlog({ path, events, bytesPerEvent }: FilledOutbox, flags: Flags): Promise<readonly Figure[]> {
  const role = await startRole(
    'catchUp',
    { path, flags, wanted: [], events },
    { script: SCRIPT, core: MEASURED, profile: values.profile, flags: COLLECTOR_FLAGS },
  );
  const { wallMs, cpuMs, rssMiB, liveMs, live } = await role.ask<CaughtUp>({ do: 'run' });
  await role.stop();
  const half = Math.ceil(rssMiB.length / 2);
  return [
    { name: 'events that waited', unit: '', value: events },
    { name: 'until they were delivered', unit: 's a million', value: wallMs / 1000 / (events / 1e6) },
    { name: 'CPU, with live events', unit: 'µs an event', value: (cpuMs * 1000) / events },
    { name: 'live events meanwhile', unit: 'a second', value: live / (wallMs / 1000) },
    { name: 'from the commit of a live event to the file, p50', unit: 'ms', value: percentile(liveMs, 0.5) },
    { name: 'from the commit of a live event to the file, p99', unit: 'ms', value: percentile(liveMs, 0.99) },
    { name: 'resident memory at the begin', unit: 'MiB', value: rssMiB[0] ?? 0 },
    { name: 'resident memory, largest of the first half', unit: 'MiB', value: Math.max(...rssMiB.slice(0, half)) },
    { name: 'resident memory, largest of the second half', unit: 'MiB', value: Math.max(...rssMiB.slice(half)) },
    { name: 'an event that waits, on the disk', unit: 'bytes', value: bytesPerEvent, goal: GOALS.bytes },
  ];
}
