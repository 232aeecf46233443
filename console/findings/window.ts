/** How much room a row of a list takes. */
export type Density = 'comfortable' | 'compact';

/** Height of one row of findings in CSS pixels; the style sheet has the same. */
export const ROW_HEIGHTS = Object.freeze({ comfortable: 60, compact: 34 } satisfies Record<Density, number>);

/** Rows that are drawn beyond each edge, so that a fast scroll finds something. */
const BEYOND = 8;
/** A page cannot be higher than a browser can count pixels; nobody reads so far. */
export const MAX_ROWS = 200_000;

/** Rows `from` up to but without `to`. */
export interface RowWindow {
  readonly from: number;
  readonly to: number;
}

/** The rows to draw for a scroll position of a list whose rows have `rowHeight` CSS pixels. */
export function rowWindow(scrollTop: number, height: number, rows: number, rowHeight: number): RowWindow {
  const from = Math.max(0, Math.floor(scrollTop / rowHeight) - BEYOND);
  const to = Math.min(rows, Math.ceil((scrollTop + Math.max(height, rowHeight)) / rowHeight) + BEYOND);
  return { from: Math.min(from, Math.max(0, rows - 1)), to: Math.max(to, 0) };
}

/** Where to scroll so that row `index` is whole in view; undefined: it is already. */
export function scrollToRow(
  index: number,
  { scrollTop, clientHeight: height }: { readonly scrollTop: number; readonly clientHeight: number },
  rowHeight: number,
): number | undefined {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  const bottom = top + rowHeight;
  return bottom > scrollTop + height ? bottom - height : undefined;
}

/** The row that a key goes to from `current`; undefined: the key does not move. */
export function rowAfterKey(key: string, current: number, rows: number, rowsInView: number): number | undefined {
  const page = Math.max(1, Math.floor(rowsInView) - 1);
  const goal = {
    ArrowDown: current + 1,
    ArrowUp: current - 1,
    j: current + 1,
    k: current - 1,
    PageDown: current + page,
    PageUp: current - page,
    Home: 0,
    End: rows - 1,
  }[key];
  return goal === undefined || rows === 0 ? undefined : Math.min(rows - 1, Math.max(0, goal));
}
