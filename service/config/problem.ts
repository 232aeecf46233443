import { environmentName } from './setting.ts';

/** Something wrong with the configuration. */
export interface SettingProblem {
  /** Its place: `/etc/plimsoll/config.yaml:3`, `PLIMSOLL_LISTEN`, `--listen`. */
  readonly place: string;
  /** The setting, or what was written in its place; empty where the problem is the file itself. */
  readonly setting: string;
  /** What is wrong, and what is allowed. */
  readonly text: string;
}

/** A problem at one place. */
export function problemAt(place: string, text: string, setting = ''): SettingProblem {
  return { place, setting, text };
}

/**
 * One line for people, without control characters: `/etc/plimsoll/config.yaml:3: listn: unknown setting …`. The name of
 * the setting is omitted after its own flag or variable.
 */
export function describeProblem({ place, setting, text }: SettingProblem): string {
  const isNamed = place === `--${setting}` || place === environmentName(setting);
  const line = [place, isNamed ? '' : setting, text].filter((part) => part !== '').join(': ');
  // oxlint-disable-next-line no-control-regex -- taking them out is the point
  return line.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '\uFFFD');
}

/** A value for a message: quoted, escaped, cut. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}
