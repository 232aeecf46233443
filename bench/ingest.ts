// How many finding changes a second a collector takes on one core: from the stream (gRPC over mTLS) to the SQLite
// commit. Beside it, in the same run: the same without a wire, and two floors, reading the wire only and writing the
// bare rows only. Figures are changes a CPU second of the process that is measured, all its threads counted.
// Usage: node bench/ingest.ts [--runs 3] [--nodes 20] [--findings 5000] [--changes 100000] [--templates FILE]
//                             [--only wire,local,floor,decode] [--phases first,evidence,...] [--profile DIR]
//                             [--watched]: somebody reads the event stream all the time, and has read it to its end
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setUp } from '../scripts/setup.mjs';
import { issueCertificate } from '../service/tls/issue.ts';
import { PHASES } from './ingest/changes.ts';
import { collector, decoder } from './ingest/collector.ts';
import type { Mark } from './ingest/collector.ts';
import { floor, local } from './ingest/local.ts';
import { serveRole, startRole } from './ingest/roles.ts';
import type { Role } from './ingest/roles.ts';
import { sender } from './ingest/sender.ts';
import { scanTemplates } from './ingest/templates.ts';

const ROLES = { collector, decoder, local, floor, sender };

const { values } = parseArgs({
  options: {
    role: { type: 'string' },
    runs: { type: 'string', default: '3' },
    nodes: { type: 'string', default: '20' },
    findings: { type: 'string', default: '5000' },
    changes: { type: 'string', default: '100000' },
    templates: { type: 'string' },
    only: { type: 'string', default: 'wire,local,decode,floor' },
    phases: { type: 'string', default: PHASES.join(',') },
    profile: { type: 'string' },
    watched: { type: 'boolean', default: false },
  },
});
const [nodes, findingsPerNode, changes] = [values.nodes, values.findings, values.changes].map(Number) as [
  number,
  number,
  number,
];
const phases = PHASES.filter((phase) => values.phases.split(',').includes(phase));
/** What is measured runs on the first core, what feeds it on the second. */
const [MEASURED, FEEDING] = [0, 1];
const SCRIPT = fileURLToPath(import.meta.url);

/** What one phase cost; `changes` were made. */
interface Row extends Mark {
  readonly name: string;
  readonly phase: string;
  readonly changes: number;
}

if (values.role === undefined) await run();
else serveRole(ROLES[values.role as keyof typeof ROLES]);

async function run(): Promise<void> {
  setUp();
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
  try {
    const templates = values.templates ?? join(directory, 'scan.json');
    if (values.templates === undefined) writeFileSync(templates, await scanTemplates());
    const rows: Row[] = [];
    for (let index = 0; index < Number(values.runs); index += 1) {
      const place = mkdtempSync(join(directory, 'run-'));
      for (const name of values.only.split(',')) {
        if (name === 'wire') rows.push(...(await overWire('stream to commit', 'collector', place, templates)));
        if (name === 'decode') rows.push(...(await overWire('stream, read only', 'decoder', place, templates)));
        if (name === 'local') rows.push(...(await without('bytes to commit', 'local', place, templates)));
        if (name === 'floor') rows.push(...(await without('bare rows', 'floor', place, templates)));
      }
      rmSync(place, { recursive: true });
    }
    print(rows);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function overWire(name: string, role: string, directory: string, templates: string): Promise<Row[]> {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const server = await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now());
  const tls = { ca: authority.certificatePem, cert: server.certificatePem, key: server.keyPem };
  const measured = await startRole(
    role,
    { tls, directory },
    { script: SCRIPT, core: MEASURED, profile: values.profile },
  );
  const identities = [];
  for (const nodeId of nodeIds())
    identities.push({ nodeId, issued: await issueCertificate({ kind: 'node', nodeId }, authority, Date.now()) });
  const address = await measured.ask<string>({ do: 'run' });
  const options = { address, ca: tls.ca, identities, templates, findingsPerNode };
  const feeding = await startRole('sender', options, { script: SCRIPT, core: FEEDING });
  const isWatched = values.watched && role === 'collector';
  if (isWatched) await feeding.ask({ do: 'watch', at: await measured.ask<number>({ do: 'watch' }) });
  const rows: Row[] = [];
  for (const phase of phases) {
    const prepared = await feeding.ask<{ changes: number }>({ do: 'prepare', phase, changes: changes / nodes });
    const before = await measured.ask<Mark>({ do: 'mark' });
    await feeding.ask({ do: 'send' });
    if (isWatched) await feeding.ask({ do: 'seen', at: (await measured.ask<Mark>({ do: 'mark' })).events });
    const after = await measured.ask<Mark>({ do: 'mark' });
    const [cpuMs, wallMs] = [after.cpuMs - before.cpuMs, after.wallMs - before.wallMs];
    rows.push({ name, phase, changes: prepared.changes, cpuMs, wallMs, events: after.events - before.events });
  }
  const told = await feeding.ask<readonly { nodeId: string; digest: number; findings: number }[]>({ do: 'end' });
  if (role === 'collector') await compare(measured, told);
  await measured.ask({ do: 'end' });
  await Promise.all([feeding.stop(), measured.stop()]);
  return rows;
}

/** A figure counts only if the store has what the nodes have. */
async function compare(measured: Role, told: readonly { nodeId: string; digest: number; findings: number }[]) {
  for (const { nodeId, digest, findings } of told) {
    const state = await measured.ask<{ digest: number; findings: number }>({ do: 'run', phase: nodeId });
    if (state.digest !== digest || state.findings !== findings) throw new Error(`the store differs from ${nodeId}`);
  }
}

async function without(name: string, role: string, directory: string, templates: string): Promise<Row[]> {
  const options = { directory, nodes: nodeIds(), templates, findingsPerNode };
  const measured = await startRole(role, options, { script: SCRIPT, core: MEASURED, profile: values.profile });
  const rows: Row[] = [];
  for (const phase of phases) {
    const prepared = await measured.ask<{ changes: number }>({ do: 'prepare', phase, changes: changes / nodes });
    rows.push({ name, phase, changes: prepared.changes, ...(await measured.ask<Mark>({ do: 'run' })) });
  }
  await measured.ask({ do: 'end' });
  await measured.stop();
  return rows;
}

function nodeIds(): readonly string[] {
  return Array.from({ length: nodes }, (_, index) => `node-${String(index + 1)}`);
}

/** Medians over the runs. */
function print(rows: readonly Row[]): void {
  console.log(
    '                   phase      changes   events  CPU us a change  changes/CPU s  changes/s  against commit',
  );
  for (const phase of phases) {
    const whole = middle(rows, 'stream to commit', phase);
    for (const name of ['stream to commit', 'bytes to commit', 'stream, read only', 'bare rows']) {
      const row = middle(rows, name, phase);
      if (row === undefined) continue;
      const rate = (row.changes / row.cpuMs) * 1000;
      const ratio = whole === undefined ? '' : `${((rate / whole.changes) * (whole.cpuMs / 1000)).toFixed(2)} ×`;
      console.log(
        [
          name.padEnd(18),
          phase.padEnd(9),
          String(row.changes).padStart(8),
          String(row.events).padStart(8),
          ((row.cpuMs * 1000) / row.changes).toFixed(2).padStart(16),
          rate.toFixed(0).padStart(14),
          ((row.changes / row.wallMs) * 1000).toFixed(0).padStart(10),
          ratio.padStart(15),
        ].join(' '),
      );
    }
  }
}

function middle(rows: readonly Row[], name: string, phase: string): Row | undefined {
  const found = rows.filter((row) => row.name === name && row.phase === phase);
  return found.toSorted((one, other) => one.cpuMs - other.cpuMs)[Math.floor(found.length / 2)];
}
