import type { Store } from '../store/store.ts';
import type { SinkStatus } from './delivery-worker.ts';

/** A sink with what the store knows of it. */
export interface SinkReport extends SinkStatus {
  /** Events that wait for it. */
  readonly behind: number;
  /** When the oldest of them happened; undefined: none waits. */
  readonly oldestMs: number | undefined;
  readonly deadLetters: number;
}

/** The status of each sink with its backlog and its dead letters. Rejects with StoreError. */
export async function reportSinks(
  sinks: readonly SinkStatus[],
  store: Pick<Store, 'backlog' | 'deadLetters'>,
): Promise<readonly SinkReport[]> {
  const counts = await store.deadLetters.counts();
  return Promise.all(
    sinks.map(async (sink) => {
      const { events: behind, oldestMs } = await store.backlog(sink.name);
      return { ...sink, behind, oldestMs, deadLetters: counts.get(sink.name) ?? 0 };
    }),
  );
}

/** The reports where the store cannot be read. */
export function reportUnreadSinks(sinks: readonly SinkStatus[]): readonly SinkReport[] {
  return sinks.map((sink) => ({ ...sink, behind: 0, oldestMs: undefined, deadLetters: 0 }));
}
