import type { DatabaseState } from '../../api/image.ts';
import { safe } from '../../api/safe.ts';
import type { Context } from '../context.ts';
import type { Cell } from '../render/table.ts';

/** A severity, painted by how bad it is. */
export function severityCell(severity: string, { paint }: Context): Cell {
  const isBad = severity === 'critical' || severity === 'high';
  return isBad ? { text: severity, paint: paint.bad } : { text: severity };
}

/** A risk from 0 to 100 with one decimal. */
export function riskCell(risk: number): Cell {
  return { text: risk.toFixed(1), value: risk };
}

/** The short form of an image id: 12 digits, as container engines show it. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

/** Says on standard error why vulnerabilities may be missing, unless the database is current. */
export async function warnOfDatabase(context: Context, { state, problem }: DatabaseState): Promise<void> {
  if (state === 'ok') return;
  const what = state === 'missing' ? 'vulnerabilities are not known' : 'vulnerabilities may be missing';
  await context.stderr.write(`plimsoll: ${what}: ${safe(problem)}\n`);
}
