import type { EventBus } from '../store/event-bus.ts';
import type { DeadLetter, DeadLetterFilter, DeadLetterSelection } from '../store/dead-letter-store.ts';
import type { Store } from '../store/store.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';

/** A dead letter, with the event as its sink would get it now. */
export interface RenderedDeadLetter extends DeadLetter {
  readonly ocsf: OcsfEvent;
}

/** One page of dead letters. */
export interface RenderedDeadLetters {
  readonly deadLetters: readonly RenderedDeadLetter[];
  readonly cursor?: string;
}

/** Events that sinks rejected, for operators. */
export interface DeadLetters {
  readonly list: (filter: DeadLetterFilter) => Promise<RenderedDeadLetters>;
  readonly find: (id: number) => Promise<RenderedDeadLetter | undefined>;
  /** Sends those that are selected again, as far as their sink is on. Resolves to their number. */
  readonly replay: (selection: DeadLetterSelection) => Promise<number>;
  /** Deletes those that are selected. Resolves to their number. */
  readonly purge: (selection: DeadLetterSelection) => Promise<number>;
}

/** What they are made from. */
export interface DeadLettersOptions {
  readonly store: Pick<Store, 'deadLetters'>;
  /** The events of a batch as a sink gets them. */
  readonly render: (batch: readonly StoredEvent[], sink: string) => Promise<readonly OcsfEvent[]>;
  /** Names of the sinks that are on. */
  readonly sinks: readonly string[];
  readonly eventBus: EventBus;
}

/** The dead letters of a store. Rejects with StoreError. */
export function createDeadLetters({ store, render, sinks, eventBus }: DeadLettersOptions): DeadLetters {
  const { deadLetters } = store;
  const rendered = async (letters: readonly DeadLetter[]): Promise<readonly RenderedDeadLetter[]> => {
    const rendered = new Map<DeadLetter, OcsfEvent>();
    for (const [sink, ofSink] of Map.groupBy(letters, (letter) => letter.sink)) {
      const events = await render(
        ofSink.map(({ event }) => event),
        sink,
      );
      for (const [index, letter] of ofSink.entries()) rendered.set(letter, events[index] ?? {});
    }
    return letters.map((letter) => Object.assign(letter, { ocsf: rendered.get(letter) ?? {} }));
  };
  return {
    list: async (filter) => {
      const page = await deadLetters.list(filter);
      return { ...page, deadLetters: await rendered(page.deadLetters) };
    },
    find: async (id) => {
      const found = await deadLetters.find(id);
      return found && (await rendered([found]))[0];
    },
    replay: async (selection) => {
      if (sinks.length === 0) return 0;
      const { replayed, newest } = await deadLetters.replay(selection, sinks);
      if (replayed > 0) eventBus.announce(newest);
      return replayed;
    },
    purge: deadLetters.purge,
  };
}
