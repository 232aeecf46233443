import type { ComponentChildren, JSX } from 'preact';
import { counted } from '../../api/format.ts';
import type { Pages } from '../hook/use-pages.ts';
import { EmptyNote, LoadingNote, ProblemNote } from './note.tsx';

/** A list in pages, newest first: how many items are read, what `children` makes of them, and older ones on demand. */
export function PagedCard<I>({
  pages,
  one,
  empty,
  children,
}: {
  readonly pages: Pages<unknown, I>;
  /** What one item is, in lower case; the plural has an `s`. */
  readonly one: string;
  /** Shown in place of an empty list. */
  readonly empty: ComponentChildren;
  readonly children: (items: readonly I[], label: string) => JSX.Element;
}): JSX.Element {
  const { items } = pages;
  const label = `${one.charAt(0).toUpperCase()}${one.slice(1)}s, newest first`;
  return (
    <>
      <PagesNotes pages={pages} what={`the ${one}s`} empty={empty} />
      {items.length === 0 ? null : (
        <section class="card" aria-label={label}>
          <p class="findings-count" role="status">
            {counted(items.length, one)}
            {pages.hasOlder ? ', and older ones' : ''}
          </p>
          {children(items, label)}
          <OlderButton pages={pages} what={`${one}s`} />
        </section>
      )}
    </>
  );
}

/** Why a list shows no items: they are loading, could not be read, or there are none. */
export function PagesNotes({
  pages: { value, problem, items, reload },
  what,
  empty,
}: {
  readonly pages: Pages<unknown, unknown>;
  readonly what: string;
  readonly empty: ComponentChildren;
}): JSX.Element {
  return (
    <>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what={what} /> : null}
      {value !== undefined && items.length === 0 ? <EmptyNote>{empty}</EmptyNote> : null}
    </>
  );
}

/** Reads the next older page, where there is one. */
export function OlderButton({
  pages: { hasOlder, isReadingOlder, readOlder },
  what,
}: {
  readonly pages: Pages<unknown, unknown>;
  readonly what: string;
}): JSX.Element | null {
  if (!hasOlder) return null;
  return (
    <button type="button" class="button" disabled={isReadingOlder} onClick={() => void readOlder()}>
      Show older {what}
    </button>
  );
}
