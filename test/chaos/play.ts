import type { Operation } from './containers.ts';
import type { Fault, Step } from './plan.ts';
import { pause } from './program.ts';
import type { Scene } from './scene.ts';

/** Operations on containers at the same time. */
const CONCURRENCY = 2;

/**
 * Does one step after the other: two operations at a time, those on one container in order; faults beside them, one
 * after the other for each thing that they hit. Resolves when all are over; rejects if the engine refuses an operation.
 */
export async function play(steps: readonly Step[], scene: Scene): Promise<void> {
  const operations = new Set<Promise<void>>();
  const chains = new Map<string, Promise<void>>();
  const chained = (key: string, work: () => Promise<void>): Promise<void> => {
    const next = (chains.get(key) ?? Promise.resolve()).then(work);
    chains.set(key, next);
    return next;
  };
  for (const step of steps) {
    if (isOperation(step)) {
      const work = chained(`container ${step.name}`, () => scene.containers.operate(step));
      operations.add(work);
      void work.finally(() => operations.delete(work)).catch(() => undefined);
      if (operations.size >= CONCURRENCY) await Promise.race(operations);
    } else void chained(targetOf(step), () => suffer(step, scene)).catch(() => undefined);
  }
  await Promise.all(chains.values());
}

function isOperation(step: Step): step is Operation {
  return step.kind === 'start' || step.kind === 'again' || step.kind === 'stop' || step.kind === 'remove';
}

function targetOf(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `process ${fault.program}`;
    case 'network':
      return 'network';
    case 'engine':
      return 'engine';
    case 'fullDisk':
      return `disk ${fault.of}`;
    case 'clock':
      return 'clock';
  }
}

async function suffer(fault: Fault, { programs, network, engine, disks, isFull }: Scene): Promise<void> {
  switch (fault.kind) {
    case 'kill':
      await pause(fault.afterMs);
      return programs[fault.program].kill(fault.downMs);
    case 'network':
      return network.suffer(fault.fault, fault.forMs);
    case 'engine':
      return engine.suffer(fault.fault, fault.forMs);
    case 'fullDisk': {
      const disk = disks[fault.of];
      if (disk === undefined) throw new Error(`no disk for the ${fault.of}`);
      isFull.add(fault.of);
      await disk.fill(fault.forMs);
      isFull.delete(fault.of);
      return;
    }
    case 'clock':
      for (const name of fault.programs) programs[name].setClock(fault.offsetMs);
  }
}
