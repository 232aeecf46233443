import { setTimeout as sleep } from 'node:timers/promises';
import { userOfEngine } from '../../../posture/fact/docker.ts';
import { seen, valueOr } from '../../../posture/observed.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import { PROCESSES_NOT_VISIBLE } from '../../../posture/fact/unobserved.ts';
import type { Unobserved, UnobservedFact } from '../../../posture/fact/unobserved.ts';
import type { ReadFailure } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import type { ContainerRuntime } from '../../runtime/runtime.ts';
import { belongsToUser } from '../../runtime/user-runtime.ts';
import type { Inspector } from '../inspector.ts';
import { mapBounded } from '../map-bounded.ts';
import { firstProcesses } from '../proc/process-table.ts';
import { ageOf } from './last-running.ts';
import { findRunningContainers, isStillRunning } from './running-containers.ts';
import type { RunningContainer } from './running-containers.ts';
import { findUnaskedEngines } from './unasked-engines.ts';
import type { UnaskedEngine } from './unasked-engines.ts';

/** A container or engine that starts or ends is seen by its processes a moment before or after its engine lists it. */
const SECOND_LOOK_MS = 500;
const CONCURRENCY = 4;
const SOURCE = 'processes and container engines';
/** With more, an engine is asked for its list only, not about each. */
const MAX_ASKED = 64;

/**
 * What exists and could not be inspected: the failed looks that the inspectors of containers and images recorded, and
 * containers and engines that the kernel shows and that no engine lists.
 */
export const unobservedInspector: Inspector<'unobserved'> = {
  fact: 'unobserved',
  needs: ['containers', 'docker', 'engines', 'images'],
  inspect: inspectUnobserved,
  watches: () => [],
};

/** The second look is a round of its own: nothing in it comes from the first. */
async function inspectUnobserved(
  access: NodeAccess,
  known: Partial<Facts>,
  round: NodeAccess = access,
): Promise<UnobservedFact> {
  const { failedLooks } = access;
  const failed = failedLooks.list().filter(({ engine }) => engine !== '');
  const listed = [...(known.containers === undefined ? [] : valueOr(known.containers, [])), ...failed];
  const ofUsers = listed.filter(({ engine }) => userOfEngine(engine) !== 0);
  const first = await findRunningContainers(round, {
    ids: new Set(listed.filter(({ engine }) => userOfEngine(engine) === 0).map(({ id }) => id)),
    ofUsers: new Map(ofUsers.map(({ id, engine }) => [id, userOfEngine(engine)])),
    firstProcesses: await firstProcesses(round),
  });
  const engines = await findUnaskedEngines(round, known);
  if (!first.ok || !engines.ok) {
    const { reason } = first.ok ? (engines as ReadFailure) : first;
    const hidden = {
      kind: 'engine',
      id: PROCESSES_NOT_VISIBLE,
      name: '',
      imageId: '',
      pid: 0,
      engine: '',
      reason,
    } as const;
    // Those that were found before stay: they may run on.
    failedLooks.record(hidden, access.now());
    return seen(failedLooks.list(), SOURCE);
  }
  const isQuiet = first.value.length === 0 && engines.value.length === 0;
  if (!isQuiet) await sleep(SECOND_LOOK_MS);
  const { unknown: containers, late } = isQuiet ? NONE : await lookAgain(access, first.value);
  const again = { ...access, host: access.cache.openRound(access.host) };
  const second = isQuiet ? engines : await findUnaskedEngines(again, known);
  const remaining = new Set(second.ok ? second.value.map(({ pid }) => pid) : []);
  for (const each of late) failedLooks.record(toLate(each), access.now());
  note(access, 'container', containers.map(toContainer));
  note(access, 'engine', engines.value.filter(({ pid }) => remaining.has(pid)).map(toEngine));
  return seen(failedLooks.list(), SOURCE);
}

type Entry = Omit<Unobserved, 'sinceMs'>;

/** What has no engine that could be asked carries none: entries of engines are those of other inspectors. */
function note({ failedLooks, now }: NodeAccess, kind: 'container' | 'engine', entries: readonly Entry[]): void {
  for (const entry of entries) failedLooks.record(entry, now());
  failedLooks.keepOnly(kind, '', new Set(entries.map(({ id }) => id)));
}

/** Without its service, Podman has nobody who could be asked. */
const PODMAN_ADVICE =
  'Podman started it and its API service does not run for this user: systemctl enable --now podman.socket (--user for a user other than root)';

function toContainer({ id, name, pid, sign, isOfPodman }: RunningContainer): Entry {
  const unasked = `it runs (${sign}), but no container engine that was asked knows it`;
  const reason = isOfPodman ? `${unasked}. ${PODMAN_ADVICE}` : unasked;
  return { kind: 'container', id, name: name || id.slice(0, 12), imageId: '', pid, engine: '', reason };
}

function toLate({ container, engine }: LateContainer): Entry {
  const { id, name, pid } = container;
  const reason = `it runs, and its engine ${engine} listed it only after this round had asked for the list`;
  return { kind: 'container', id, name: name || id.slice(0, 12), imageId: '', pid, engine, reason };
}

function toEngine({ pid, name, reason }: UnaskedEngine): Entry {
  return { kind: 'engine', id: `${name} pid ${String(pid)}`, name, imageId: '', pid, engine: '', reason };
}

/** What a second look says about containers that no engine had listed. */
interface SecondLook {
  /** Those that still run and that no engine knows. */
  readonly unknown: readonly RunningContainer[];
  /** Those that still run, have done so for a while, and are known to their engine by now. */
  readonly late: readonly LateContainer[];
}

interface LateContainer {
  readonly container: RunningContainer;
  readonly engine: string;
}

const NONE: SecondLook = Object.freeze({ unknown: [], late: [] });
/** A container that was started more shortly before is reported by the events of its engine. */
const LATE_SECONDS = 5;

async function lookAgain(access: NodeAccess, candidates: readonly RunningContainer[]): Promise<SecondLook> {
  const { host, runtime, engines } = access;
  const answering: ContainerRuntime[] = [];
  const listedBy = new Map<string, string>();
  for (const each of [runtime, ...(await engines.others(host))]) {
    const list = await each.listContainers();
    if (!list.ok) continue;
    answering.push(each);
    if (userOfEngine(each.endpoint) === 0) for (const { id } of list.value) listedBy.set(id, each.endpoint);
  }
  const unlisted = candidates.filter(({ id }) => !listedBy.has(id));
  /** The engine that knows a container; it lists a container only after it has started its processes. */
  const engineOf = async ({ id, pid }: RunningContainer): Promise<string | undefined> => {
    const lister = listedBy.get(id);
    if (lister !== undefined || unlisted.length > MAX_ASKED) return lister;
    for (const each of answering) {
      const uid = userOfEngine(each.endpoint);
      if (uid !== 0 && !(await belongsToUser(host, pid, uid))) continue;
      if ((await each.inspectContainer(id)).ok) return each.endpoint;
    }
    return undefined;
  };
  const unknown: RunningContainer[] = [];
  const late: LateContainer[] = [];
  await mapBounded(candidates, CONCURRENCY, async (container) => {
    if (!(await isStillRunning(host, container))) return;
    const engine = await engineOf(container);
    if (engine === undefined) unknown.push(container);
    else if ((await ageOf(host, container.pid)) >= LATE_SECONDS) late.push({ container, engine });
  });
  return { unknown, late };
}
