import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { testDocker } from '../component/docker.ts';
import { differences, freshScan } from './comparison.ts';
import { judgeLives, judgeProgram, judgeResolutions, judgeShipping } from './judge.ts';
import { planOf } from './plan.ts';
import type { PlanShape } from './plan.ts';
import { play } from './play.ts';
import { pause } from './program.ts';
import { openScene } from './scene.ts';
import type { Scene, SceneOptions } from './scene.ts';
import { readShipped } from './shipped.ts';

/** One kind of chaos. */
export interface Chaos {
  readonly name: string;
  readonly shape: PlanShape;
  /** Disks that fill up. Changes that a full spool loses arrive with the next full transfer, and errors are logged. */
  readonly diskBytes?: SceneOptions['diskBytes'];
}

/** The seed where none is asked for: a failure must not come and go with the day. */
const SEED = 20_261;
/** Room for the slowest machine; the whole takes a minute on two cores. */
const TIMEOUT_MS = 300_000;
/** A session that is silently dead is given up after half a minute (agent/transport/dial.ts). */
const SETTLE_MS = 60_000;
/** Both hold 100 MiB of Node and its heap; what they keep for themselves is bounded by their settings. */
const MAX_RSS_MIB = 256;

/**
 * Plays a plan and judges what is left. PLIMSOLL_CHAOS_SEED: another seed, or `random`; PLIMSOLL_CHAOS_MINUTES: with
 * one seed after the other, until the time is over. The seed is in the name of the test.
 */
export async function chaos(what: Chaos): Promise<void> {
  const minutes = Number(process.env['PLIMSOLL_CHAOS_MINUTES'] ?? 0);
  t.setTimeout(TIMEOUT_MS + minutes * 60_000);
  const docker = testDocker();
  const reason = 'reason' in docker ? docker.reason : process.getuid?.() === 0 ? undefined : 'needs root to see all';
  if (reason !== undefined || 'reason' in docker)
    return void (await t.test(what.name, { skip: reason ?? '' }, () => undefined));
  const { endpoint } = docker.docker;
  const untilMs = performance.now() + minutes * 60_000;
  let seed = firstSeed();
  do {
    await t.test(`${what.name}, seed ${String(seed)}`, (t) => one(t, what, { endpoint, seed }));
    seed += 1;
  } while (performance.now() < untilMs);
}

function firstSeed(): number {
  const asked = process.env['PLIMSOLL_CHAOS_SEED'] ?? String(SEED);
  return asked === 'random' ? Math.floor(Math.random() * 1_000_000) : Number(asked);
}

interface Engine {
  readonly endpoint: string;
  readonly seed: number;
}

async function one(t: Test, { shape, diskBytes }: Chaos, { endpoint, seed }: Engine): Promise<void> {
  const again = `PLIMSOLL_CHAOS_SEED=${String(seed)} repeats this`;
  t.comment(again);
  const scene = await openScene(t, { endpoint, seed, ...(diskBytes === undefined ? {} : { diskBytes }) });
  if ('reason' in scene) return void t.pass(scene.reason, { skip: scene.reason });
  const { agent, collector } = scene.programs;
  try {
    await play(planOf(seed, shape), scene);
    for (const program of [agent, collector]) program.setClock(0);
    // By events alone: what is known of the containers is what the kernel and the engine say of them now.
    t.same(await unsettled(scene, scene.containers.ids()), [], `the containers are as a scan sees them; ${again}`);
    // What changes on a machine without an event is for the next round: a start has one.
    t.equal(await agent.stop(), 0, 'the agent ends in good order');
    await agent.start();
    t.same(await unsettled(scene), [], `the store equals a fresh scan; ${again}`);
    t.equal(await agent.stop(), 0, 'the agent ends in good order again');
    // Nothing new comes from now on.
    t.ok(await isShipped(scene), 'everything was shipped');
    t.equal(await collector.stop(), 0, 'the collector ends in good order');
    await judgeShipping(t, scene);
    judgeResolutions(t, scene, { isClockTrue: shape.clockJumps === undefined });
    if (diskBytes === undefined && shape.engineFaults === undefined) judgeLives(t, scene);
    for (const program of [agent, collector])
      judgeProgram(t, program, { maxRssMib: MAX_RSS_MIB, mayFail: diskBytes !== undefined });
  } finally {
    if (!t.passing()) t.comment(`the logs are in ${keepLogs(scene)}; ${again}`);
  }
}

function keepLogs({ programs }: Scene): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-chaos-logs-'));
  for (const program of Object.values(programs))
    for (const [index, { lines }] of program.runs().entries())
      writeFileSync(
        join(directory, `${program.name}-${String(index)}.log`),
        lines.map(({ text }) => `${text}\n`).join(''),
      );
  return directory;
}

/** Waits until store and scan agree (on the subjects in `only`); what they still differ in at the end of that time. */
async function unsettled(scene: Scene, only?: ReadonlySet<string>): Promise<readonly string[]> {
  const untilMs = performance.now() + SETTLE_MS;
  for (;;) {
    const found = await compared(scene, only).catch((error: unknown) => [String(error)]);
    if (found.length === 0 || performance.now() > untilMs) return found.slice(0, 8);
    await pause(250);
  }
}

async function compared({ operator, openNode }: Scene, only: ReadonlySet<string> | undefined) {
  return differences(await operator.findings(), await freshScan(openNode), only);
}

/** Waits until the newest event of the history is in the file; false: not in time. */
async function isShipped(scene: Scene): Promise<boolean> {
  for (const untilMs = performance.now() + SETTLE_MS; performance.now() < untilMs; await pause(250)) {
    const newest = await scene.operator.newestPosition();
    const { events } = readShipped(join(scene.collectorDirectory, 'events.ndjson'));
    if ((events.at(-1)?.metadata.sequence ?? 0) >= newest) return true;
  }
  return false;
}
