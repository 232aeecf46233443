import { safe } from '../../api/safe.ts';
import { displayWidth, fit } from './width.ts';

/** One column of a table. */
export interface Column {
  /** The header; a table whose columns have none has no header line. */
  readonly title?: string;
  readonly align?: 'left' | 'right';
  /** Shown in wide tables and CSV only. */
  readonly wide?: true;
  /** Cells below which it is not cut, while another column can still give; default 8. */
  readonly min?: number;
  /** Most cells that it takes while others want room. */
  readonly max?: number;
}

/** One cell: text from anywhere, made safe here, and how to paint it once it has its width. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
  /** What CSV has in place of the text. */
  readonly value?: string | number;
}

/** Between two columns. */
const GAP = 2;
const DEFAULT_MIN = 8;

/** `rows` as lines of at most `width` cells. Columns share the width; the widest gives first; what is cut ends in `…`. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
): readonly string[] {
  const clean = rows.map((row) => row.map((cell) => ({ ...cell, text: safe(cell.text) })));
  const hasHead = columns.some((column) => column.title !== undefined);
  const head = hasHead ? [columns.map((column) => ({ text: column.title ?? '' }))] : [];
  const widths = shareWidth(columns, [...head, ...clean], width);
  return [...head, ...clean].map((row) => renderRow(columns, widths, row));
}

function renderRow(columns: readonly Column[], widths: readonly number[], row: readonly Cell[]): string {
  const cells = columns.map((column, index) => {
    const { text: full, paint } = row[index] ?? { text: '' };
    const text = fit(full, widths[index] ?? 0);
    // The filling stays unpainted: a background colour belongs to the word.
    const filling = ' '.repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(text)));
    const painted = paint === undefined ? text : paint(text);
    return column.align === 'right' ? filling + painted : painted + filling;
  });
  return cells.join(' '.repeat(GAP)).trimEnd();
}

function shareWidth(columns: readonly Column[], rows: readonly (readonly Cell[])[], width: number): readonly number[] {
  const wanted = columns.map((_, index) => Math.max(0, ...rows.map((row) => displayWidth(row[index]?.text ?? ''))));
  const widths = wanted.map((want, index) => Math.min(want, columns[index]?.max ?? want));
  const total = (): number => widths.reduce((sum, one) => sum + one, 0) + GAP * (columns.length - 1);
  // What a maximum held back is given back where there is room.
  for (const [index, want] of wanted.entries())
    widths[index] = Math.min(want, (widths[index] ?? 0) + Math.max(0, width - total()));
  // First down to the minimum of each column; where not even those fit, below.
  for (const least of [(index: number) => columns[index]?.min ?? DEFAULT_MIN, () => 1])
    for (let excess = total() - width; excess > 0; excess -= 1) {
      const widest = widestAbove(widths, least);
      if (widest === undefined) break;
      widths[widest] = (widths[widest] ?? 0) - 1;
    }
  return widths;
}

/** The column with the most cells above its least; undefined once none can give. */
function widestAbove(widths: readonly number[], least: (index: number) => number): number | undefined {
  let best: number | undefined;
  let spare = 0;
  for (const [index, width] of widths.entries()) {
    const over = width - least(index);
    if (over > spare) [best, spare] = [index, over];
  }
  return best;
}
