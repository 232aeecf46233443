import { join } from 'node:path';
import type { Test } from 'tap';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import type { HistoryEntry, Store, StoredFinding } from '../../collector/store/store.ts';
import type { Program } from './program.ts';
import type { Scene } from './scene.ts';
import { readShipped } from './shipped.ts';
import type { ShippedEvent } from './shipped.ts';

/** What is said of a failure, at most so much of it. */
const MAX_SAID = 8;

/** Holds the store, its history and what was shipped against each other. Both programs have ended. */
export async function judgeShipping(t: Test, scene: Pick<Scene, 'collectorDirectory'>): Promise<void> {
  const store = await openSqliteStore({ path: join(scene.collectorDirectory, 'store.sqlite') });
  const history = await wholeHistory(store);
  const open = (await allFindings(store)).filter(({ verdict }) => isOpen(verdict));
  await store.close();
  const shipped = readShipped(join(scene.collectorDirectory, 'events.ndjson'));
  const said = `${String(shipped.events.length)} events, ${String(shipped.repeated)} lines again, ${String(shipped.torn)} torn`;
  t.comment(said);
  t.same(shipped.problems.slice(0, MAX_SAID), [], 'what comes again says the same');

  const byPosition = new Map(shipped.events.map((event) => [event.metadata.sequence, event]));
  t.equal(byPosition.size, shipped.events.length, 'an event has one id');
  const missing = history.filter(({ position }) => !byPosition.has(position));
  t.same(missing.slice(0, MAX_SAID), [], `no event of the history is missing (${said})`);
  t.equal(shipped.events.length, history.length, 'no event was shipped that the store does not know');
  const different = history.filter((entry) => !saysTheSame(entry, byPosition.get(entry.position)));
  t.same(different.slice(0, MAX_SAID), [], 'each says what the history says');

  const positions = shipped.events.map(({ metadata }) => metadata.sequence);
  t.ok(
    positions.every((position, index) => index === 0 || position > (positions[index - 1] ?? 0)),
    'in the order of the history',
  );
  const { replayed, problems } = replay(shipped.events);
  t.same(problems.slice(0, MAX_SAID), [], 'each finding is opened, changed and closed in this order');
  const [inStore, inEvents] = [open.map(inWords).sort(), [...replayed].map(([uid, words]) => `${uid} ${words}`).sort()];
  t.same(inEvents, inStore, 'replayed, the events give the open findings of the store');
}

/** Holds the lives of containers against what was shipped: one that the agent had time to see was seen. */
export function judgeLives(t: Test, scene: Scene): void {
  const shipped = readShipped(join(scene.collectorDirectory, 'events.ndjson'));
  const seen = new Set(shipped.events.flatMap(({ resources }) => resources.map(({ uid }) => uid)));
  const runs = scene.programs.agent.runs().map(({ lines, endedMs = Infinity }) => ({
    fromMs: lines.find(({ message }) => message === 'full round')?.atMs ?? Infinity,
    endedMs,
  }));
  const lives = scene.containers
    .lives()
    .filter(({ startedMs, endedMs = Infinity }) =>
      runs.some(
        (run) =>
          startedMs > run.fromMs && endedMs - startedMs >= TIME_TO_SEE_MS && startedMs + TIME_TO_SEE_MS <= run.endedMs,
      ),
    );
  const missed = lives.filter(({ id }) => !seen.has(id));
  t.same(missed, [], `all ${String(lives.length)} containers that lived for a while were seen`);
}

/**
 * Holds what was resolved against the lives of containers: a finding that still says fail, unknown or manual is resolved
 * because its container is gone, and never because something could not be seen. `isClockTrue`: the times can be compared.
 */
export function judgeResolutions(t: Test, scene: Scene, { isClockTrue }: { readonly isClockTrue: boolean }): void {
  const { events } = readShipped(join(scene.collectorDirectory, 'events.ndjson'));
  const lives = Map.groupBy(scene.containers.lives(), ({ id }) => id);
  const gone = events.filter(
    ({ activity_name: activity, unmapped }) => activity === 'Close' && isOpen(unmapped.verdict),
  );
  const wrong = gone.filter(({ time, resources }) => {
    const own = lives.get(resources[0]?.uid ?? '') ?? [];
    const runsAt = own.filter(({ startedMs, endedMs = Infinity }) =>
      isClockTrue ? startedMs < time - CLOCK_SLACK_MS && time + CLOCK_SLACK_MS < endedMs : endedMs === Infinity,
    );
    return runsAt.length > 0;
  });
  const said = wrong.map(({ finding_info: finding, resources, time }) => ({
    check: finding.analytic.uid,
    resources,
    time,
  }));
  t.same(said.slice(0, MAX_SAID), [], `none of ${String(gone.length)} findings was resolved while its container ran`);
}

/** The same for containers that ran until both programs ended: nothing was resolved because such a container was gone. */
export function judgeSurvivors(
  t: Test,
  { collectorDirectory }: Pick<Scene, 'collectorDirectory'>,
  running: ReadonlySet<string>,
): void {
  const { events } = readShipped(join(collectorDirectory, 'events.ndjson'));
  const ofRunning = events.filter(({ resources }) => running.has(resources[0]?.uid ?? ''));
  const closed = ofRunning.filter(({ activity_name: activity }) => activity === 'Close');
  const said = closed
    .filter(({ unmapped }) => isOpen(unmapped.verdict))
    .map(({ finding_info: finding, resources, time }) => ({ check: finding.analytic.uid, resources, time }));
  t.ok(ofRunning.length > 0, `${String(closed.length)} of ${String(ofRunning.length)} events close a finding`);
  t.same(said.slice(0, MAX_SAID), [], `no finding of ${String(running.size)} running containers was given up`);
}

/** How far the times of the test and of the agent may be apart. */
const CLOCK_SLACK_MS = 1000;

/** So long a container must have run while the agent did. */
const TIME_TO_SEE_MS = 3000;

/** What is asked of a program. */
export interface Demands {
  readonly maxRssMib: number;
  /** Its disk was full: it may say so, and need a full transfer. */
  readonly mayFail: boolean;
}

/** Checks that a program never exited unexpectedly, logged no defect, and stayed within its memory bound. */
export function judgeProgram(t: Test, program: Program, { maxRssMib, mayFail }: Demands): void {
  const { name } = program;
  t.same(program.problems(), [], `the ${name} never exited unexpectedly`);
  const lines = program.runs().flatMap(({ lines }) => lines);
  const bad = lines.filter(({ level, message, text }) => {
    if (level === 'none' || /defect|please report/.test(text)) return true;
    // Both say the same at every moment: a digest that differs is a defect that was healed.
    return !mayFail && (level === 'error' || message === 'asking for all findings' || isBehind(message, text));
  });
  t.same(bad.map(({ text }) => text).slice(0, MAX_SAID), [], `the ${name} found nothing wrong with itself`);
  const rssMib = Math.round(program.maxRssKib() / 1024);
  t.ok(rssMib <= maxRssMib, `the ${name} took ${String(rssMib)} of ${String(maxRssMib)} MiB`);
}

/** The collector welcomes a node that knows of more than the store has: something was confirmed too early. */
function isBehind(message: string, text: string): boolean {
  if (message !== 'session open') return false;
  const { committed, resync } = JSON.parse(text) as { readonly committed: number; readonly resync: boolean };
  return resync && committed > 0;
}

function isOpen(verdict: string): boolean {
  return verdict === 'fail' || verdict === 'unknown' || verdict === 'manual';
}

const ACTIVITY = { opened: 'Create', changed: 'Update', resolved: 'Close' } as const;

function saysTheSame(entry: HistoryEntry, event: ShippedEvent | undefined): boolean {
  return (
    event !== undefined &&
    event.activity_name === ACTIVITY[entry.action] &&
    event.time === entry.atMs &&
    event.finding_info.uid === entry.findingUid &&
    event.finding_info.analytic.uid === entry.check &&
    event.unmapped.verdict === entry.verdict
  );
}

function replay(events: readonly ShippedEvent[]) {
  const replayed = new Map<string, string>();
  const problems: string[] = [];
  for (const { activity_name: activity, finding_info: finding, resources, unmapped, metadata } of events) {
    const { uid } = finding;
    if (replayed.has(uid) === (activity === 'Create'))
      problems.push(
        `${activity} at ${String(metadata.sequence)} of ${finding.analytic.uid} on ${resources[0]?.uid ?? ''}`,
      );
    if (activity === 'Close') replayed.delete(uid);
    else replayed.set(uid, `${finding.analytic.uid} ${unmapped.verdict} ${resources[0]?.uid ?? ''}`);
  }
  return { replayed, problems };
}

function inWords({ uid, check, verdict, subject }: StoredFinding): string {
  return `${uid} ${check} ${verdict} ${subject.id}`;
}

async function wholeHistory(store: Store): Promise<readonly HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const page = await store.history({ limit: 5000, ...(cursor === '' ? {} : { cursor }) });
    entries.push(...page.entries);
    cursor = page.cursor;
  }
  return entries.toReversed();
}

async function allFindings(store: Store): Promise<readonly StoredFinding[]> {
  const findings: StoredFinding[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const page = await store.findings({ limit: 5000, ...(cursor === '' ? {} : { cursor }) });
    findings.push(...page.findings);
    cursor = page.cursor;
  }
  return findings;
}
