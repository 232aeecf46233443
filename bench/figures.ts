/** One measured figure, beside its goal and, in the same run, a floor: the least that any program could take. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** The value is to be at most this. */
  readonly goal?: number;
  readonly floor?: { readonly what: string; readonly value: number };
}

/** The figures as a table for people. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, value, goal, floor }) => [
    name,
    `${shown(value)} ${unit}`,
    goal === undefined ? '' : `${value <= goal ? 'within' : 'OVER'} ${shown(goal)}`,
    floor === undefined ? '' : `${shown(floor.value)} ${unit}, ${floor.what}`,
    floor === undefined || floor.value <= 0 ? '' : `${shown(value / floor.value)} ×`,
  ]);
  const all = [['figure', 'measured', 'goal', 'floor in the same run', 'ratio'], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Prints the figures in the wanted form. */
export function printFigures(figures: readonly Figure[], output: string): void {
  console.log(output === 'json' ? JSON.stringify({ figures }, null, 2) : tableOf(figures));
}

/** The value below which `share` of the values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Three significant digits. */
function shown(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '–';
}
