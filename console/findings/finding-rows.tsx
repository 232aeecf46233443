import type { JSX, TargetedKeyboardEvent } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { FleetFinding } from '../../api/finding.ts';
import type { FindingFilter } from '../filter.ts';
import { isUnfiltered } from '../filter.ts';
import { useCell } from '../hook/use-cell.ts';
import { EmptyNote, ProblemNote } from '../part/note.tsx';
import { counted } from '../../api/format.ts';
import { useServices } from '../services.ts';
import { FindingRow } from './finding-row.tsx';
import type { FindingListState } from './use-finding-list.ts';
import { MAX_ROWS, ROW_HEIGHTS, rowAfterKey, rowWindow, scrollToRow } from './window.ts';

/** Placeholder rows while the number of findings is unknown. */
const MORE_ROWS = 20;

/**
 * The list. Only the rows in view are in the page, so that ten thousand are as fast as ten. Up and Down (or k and j), Home, End
 * and the page keys move; Enter opens, since each row is a link.
 */
export function FindingRows({
  found,
  filter,
  openUid,
}: {
  readonly found: FindingListState;
  readonly filter: FindingFilter;
  readonly openUid: string | undefined;
}): JSX.Element {
  const { list, problem, isLoading, need, reload } = found;
  const { findings, total } = list;
  const rows = Math.min(list.isExact ? total : findings.length + MORE_ROWS, MAX_ROWS);
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 0 });
  const [activeUid, setActiveUid] = useState(openUid);
  const wanted = useRef(false);
  const known = findings.findIndex(({ uid }) => uid === (activeUid ?? openUid));
  const active = Math.max(0, known);
  const rowHeight = ROW_HEIGHTS[useCell(useServices().density)];
  const { from, to } = rowWindow(view.top, view.height, rows, rowHeight);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const measure = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => need(to), [to, need, findings]);
  useEffect(() => {
    if (openUid !== undefined) setActiveUid(openUid);
  }, [openUid]);
  useEffect(() => {
    if (!wanted.current) return;
    const link = scroller.current?.querySelector<HTMLElement>(`a[data-row="${String(active)}"]`);
    if (link === null || link === undefined) return;
    wanted.current = false;
    link.focus({ preventScroll: true });
  });

  const move = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const goal = rowAfterKey(event.key, active, Math.min(rows, findings.length), view.height / rowHeight);
    if (goal === undefined || scroller.current === null) return;
    event.preventDefault();
    const top = scrollToRow(goal, scroller.current, rowHeight);
    if (top !== undefined) scroller.current.scrollTop = top;
    if (goal >= findings.length - 1) need(goal + 1);
    setActiveUid(findings[goal]?.uid);
    // A row that is drawn takes the focus at once, so that the next key finds it there; another one once it is drawn.
    const link = scroller.current.querySelector<HTMLElement>(`a[data-row="${String(goal)}"]`);
    wanted.current = link === null;
    link?.focus({ preventScroll: true });
  };

  return (
    <div
      ref={scroller}
      class="rows"
      onScroll={(event) => setView({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
      onKeyDown={move}
    >
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {total === 0 && !isLoading && problem === undefined ? <NothingFound filter={filter} /> : null}
      <ul style={{ height: `${String(rows * rowHeight)}px` }} aria-busy={isLoading} aria-label="Findings">
        {indexes(from, to, known === -1 ? undefined : active, findings.length).map((index) => {
          const finding: FleetFinding | undefined = findings[index];
          return finding === undefined ? (
            <li
              key={`row ${String(index)}`}
              class="row row-waiting"
              style={placeOf(index, rowHeight)}
              aria-hidden="true"
            />
          ) : (
            <li
              key={finding.uid}
              class="row"
              style={placeOf(index, rowHeight)}
              aria-setsize={list.isExact ? total : -1}
              aria-posinset={index + 1}
            >
              <FindingRow
                finding={finding}
                filter={filter}
                index={index}
                isActive={index === active}
                isOpen={finding.uid === openUid}
                onFocus={() => setActiveUid(finding.uid)}
              />
            </li>
          );
        })}
      </ul>
      {total > MAX_ROWS ? <EmptyNote>{counted(total - MAX_ROWS, 'more finding')}: narrow the filter.</EmptyNote> : null}
    </div>
  );
}

/** The rows in view, and the active one wherever it is: a row that has the focus must not go. */
function indexes(from: number, to: number, active: number | undefined, loaded: number): readonly number[] {
  const seen = Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
  if (active === undefined || active >= loaded || (active >= from && active < to)) return seen;
  return active < from ? [active, ...seen] : [...seen, active];
}

function placeOf(index: number, rowHeight: number): { readonly transform: string } {
  return { transform: `translateY(${String(index * rowHeight)}px)` };
}

function NothingFound({ filter }: { readonly filter: FindingFilter }): JSX.Element {
  return (
    <EmptyNote>
      {isUnfiltered(filter) ? 'There are no findings yet: no node has sent any.' : 'No finding matches these filters.'}
    </EmptyNote>
  );
}
