import { useState } from 'preact/hooks';
import type * as s from '../../posture/schema.ts';
import { useServices } from '../services.ts';
import { useLoad } from './use-load.ts';
import type { Loaded } from './use-load.ts';

/** A list in pages: the newest page is kept up to date, older pages are read on demand. */
export interface Pages<P, I> extends Loaded<P> {
  readonly items: readonly I[];
  readonly hasOlder: boolean;
  readonly isReadingOlder: boolean;
  readonly readOlder: () => Promise<void>;
}

/**
 * Reads a list page by page. `key` names the list: a component for another list must have another key itself, because
 * older pages stay. `pathOf` is called at each read; `everyMs` as for {@link useLoad}.
 */
export function usePages<P extends { readonly cursor: string | null }, I>(
  key: string,
  {
    pathOf,
    schema,
    itemsOf,
    idOf,
  }: {
    readonly pathOf: (cursor?: string) => string;
    readonly schema: s.Schema<P>;
    readonly itemsOf: (page: P) => readonly I[];
    readonly idOf: (item: I) => unknown;
  },
  everyMs?: number,
): Pages<P, I> {
  const { api } = useServices();
  const [older, setOlder] = useState<readonly I[]>([]);
  const [next, setNext] = useState<string | null>();
  const [isReadingOlder, setReading] = useState(false);
  const newest = useLoad(key, (signal) => api.get(pathOf(), schema, signal), everyMs);
  const { value } = newest;
  const first = value === undefined ? [] : itemsOf(value);
  const cursor = next === undefined ? (value?.cursor ?? null) : next;
  const readOlder = async (): Promise<void> => {
    if (cursor === null || isReadingOlder) return;
    setReading(true);
    const page = await api.get(pathOf(cursor), schema);
    setReading(false);
    if (!page.ok) return newest.reload();
    // Entries of the first page that newer ones push out of it stay.
    setOlder((read) => [...(read.length === 0 ? first : read), ...itemsOf(page.value)]);
    setNext(page.value.cursor);
  };
  const known = new Set(first.map(idOf));
  return {
    ...newest,
    items: [...first, ...older.filter((item) => !known.has(idOf(item)))],
    hasOlder: cursor !== null,
    isReadingOlder,
    readOlder,
  };
}
