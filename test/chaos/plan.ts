import { FLAVOURS } from './containers.ts';
import type { Operation } from './containers.ts';
import { ENGINE_FAULTS } from './engine-proxy.ts';
import type { EngineFault } from './engine-proxy.ts';
import { NETWORK_FAULTS } from './proxy.ts';
import type { NetworkFault } from './proxy.ts';
import { createRandom } from '../fixture/random.ts';
import type { Random } from '../fixture/random.ts';

/** The programs under test. */
export type ProgramName = 'agent' | 'collector';

/** What goes wrong. Each begins beside the operations that follow it, and is over after a time. */
export type Fault =
  | { readonly kind: 'kill'; readonly program: ProgramName; readonly afterMs: number; readonly downMs: number }
  | { readonly kind: 'network'; readonly fault: NetworkFault; readonly forMs: number }
  | { readonly kind: 'engine'; readonly fault: EngineFault; readonly forMs: number }
  | { readonly kind: 'fullDisk'; readonly of: ProgramName; readonly forMs: number }
  | { readonly kind: 'clock'; readonly programs: readonly ProgramName[]; readonly offsetMs: number };

/** One thing after the other. */
export type Step = Operation | Fault;

/** How much of what a plan has. */
export interface PlanShape {
  /** Starts of containers, and as many stops but for those that run in the end. */
  readonly starts: number;
  readonly collectorKills?: number;
  readonly agentKills?: number;
  readonly networkFaults?: number;
  readonly engineFaults?: number;
  readonly fullStores?: number;
  readonly fullSpools?: number;
  readonly clockJumps?: number;
}

/** Containers that run at a time. */
const [FEWEST, MOST] = [3, 8];
const HOUR_MS = 3_600_000;

/** What happens in which order: the same for the same seed and shape. */
export function planOf(seed: number, shape: PlanShape): readonly Step[] {
  const random = createRandom(seed);
  const operations = operationsOf(random, shape.starts);
  const placed = faultsOf(random, shape).map((fault) => ({ fault, at: random.between(1, operations.length - 2) }));
  return operations.flatMap((operation, index) => {
    const before: readonly Step[] = placed.filter(({ at }) => at === index).map(({ fault }) => fault);
    return before.concat(operation);
  });
}

function operationsOf(random: Random, starts: number): readonly Operation[] {
  const operations: Operation[] = [];
  const running: string[] = [];
  const stopped: string[] = [];
  const take = (list: string[]): string => list.splice(random.between(0, list.length - 1), 1)[0] as string;
  for (let started = 0; started < starts;) {
    if (running.length >= MOST || (running.length > FEWEST && random.next() < 0.5)) {
      const name = take(running);
      const kind = random.next() < 0.4 ? 'stop' : 'remove';
      if (kind === 'stop') stopped.push(name);
      operations.push({ kind, name });
      continue;
    }
    started += 1;
    const isNew = stopped.length === 0 || random.next() < 0.7;
    const name = isNew ? `c${String(started)}` : take(stopped);
    operations.push(isNew ? { kind: 'start', name, flavour: random.pick(FLAVOURS) } : { kind: 'again', name });
    running.push(name);
  }
  return operations;
}

function faultsOf(random: Random, shape: PlanShape): readonly Fault[] {
  const { collectorKills = 0, agentKills = 0, networkFaults = 0, fullStores = 0, fullSpools = 0 } = shape;
  const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const kill = (program: ProgramName): Fault => {
    // Some while it still starts, some in the middle of its work.
    return { kind: 'kill', program, afterMs: random.between(0, 800), downMs: random.between(0, 500) };
  };
  return [
    ...times(collectorKills, () => kill('collector')),
    ...times(agentKills, () => kill('agent')),
    // Each kind once before any comes again.
    ...times(networkFaults, (index): Fault => {
      const fault = NETWORK_FAULTS[index % NETWORK_FAULTS.length] as NetworkFault;
      return { kind: 'network', fault, forMs: random.between(200, 1500) };
    }),
    ...times(shape.engineFaults ?? 0, (index): Fault => {
      const fault = ENGINE_FAULTS[index % ENGINE_FAULTS.length] as EngineFault;
      return { kind: 'engine', fault, forMs: random.between(500, 4000) };
    }),
    ...times(fullStores, (): Fault => ({ kind: 'fullDisk', of: 'collector', forMs: random.between(800, 3000) })),
    ...times(fullSpools, (): Fault => ({ kind: 'fullDisk', of: 'agent', forMs: random.between(800, 3000) })),
    ...times(shape.clockJumps ?? 0, (index): Fault => ({
      kind: 'clock',
      programs: random.pick([['agent'], ['collector'], ['agent', 'collector']] as const),
      // Both ways, and now and then back to the right time.
      offsetMs: [HOUR_MS, -HOUR_MS, 0][index % 3] as number,
    })),
  ];
}
