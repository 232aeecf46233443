import type { NodeStatusFact, Pressure } from '../../posture/fact/node-status.ts';

type Load = Extract<NodeStatusFact['load'], { readonly state: 'seen' }>['value'];

/** The averages in `/proc/loadavg`, proc_loadavg(5): `0.20 0.18 0.12 1/80 11206`. */
export function parseLoad(text: string): Load | undefined {
  const match = /^(\d{1,9}\.\d\d) (\d{1,9}\.\d\d) (\d{1,9}\.\d\d) /.exec(text);
  return match === null
    ? undefined
    : { oneMinute: Number(match[1]), fiveMinutes: Number(match[2]), fifteenMinutes: Number(match[3]) };
}

/** Whole seconds since boot: the first word of `/proc/uptime`, proc_uptime(5). */
export function parseUptime(text: string): number | undefined {
  const match = /^(\d{1,12})\.\d\d /.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/**
 * A file of `/proc/pressure`, Documentation/accounting/psi.rst: a line `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`
 * and, since Linux 5.13 also for the CPU, the same with `full`.
 */
export function parsePressure(text: string): Pressure | undefined {
  const some = shares(text, 'some');
  return some === undefined ? undefined : { some, full: shares(text, 'full') ?? null };
}

function shares(text: string, name: string): Pressure['some'] | undefined {
  const number = String.raw`(\d{1,3}\.\d\d)`;
  const match = new RegExp(`^${name} avg10=${number} avg60=${number} avg300=${number} `, 'm').exec(text);
  return match === null ? undefined : { avg10: Number(match[1]), avg60: Number(match[2]), avg300: Number(match[3]) };
}
