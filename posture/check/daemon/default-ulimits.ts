import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import { daemonCheck, configuredEvidence } from './setting.ts';
import { configuredValueOf } from './configured-value.ts';

/** Open files and processes: the two that a container can exhaust for the whole host. */
const WANTED = ['nofile', 'nproc'];

export const defaultUlimits = daemonCheck({
  id: 'daemon.default-ulimits',
  title: 'Default ulimits are finite',
  failTitle: 'Default ulimits are unlimited',
  severity: 'low',
  rationale:
    'Without ulimits of their own, containers inherit those of dockerd, which its unit sets to infinity: one container can use up the processes or files of the host.',
  remediation:
    'Set nofile and nproc in "default-ulimits" in daemon.json, for example {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 65536}}, and restart Docker.',
  reference: 'https://docs.docker.com/reference/cli/dockerd/#default-ulimit-settings',
  judge: (docker) => {
    const value = configuredValueOf(
      docker,
      { flag: 'default-ulimit', key: 'default-ulimits', fromFile: writtenLimits },
      [],
    );
    if (!value.known) return unknownBecause(value.reason);
    const evidence = configuredEvidence(value, 'finite nofile and nproc');
    const limits = WANTED.map((name) => hardLimit(value.values, name));
    if (limits.some((limit) => limit !== undefined && limit < 0))
      return fail('a container can use up the files or processes of the host', evidence);
    if (limits.includes(undefined))
      return manual('containers inherit limits of dockerd: check /proc/PID/limits of one of them', evidence);
    return value.doubt === '' ? pass(evidence) : unknownBecause(value.doubt, evidence);
  },
});

/** The hard limit in `nofile=1024:2048` or `nofile=1024`; -1 means none. Nothing where it is not set. */
export function hardLimit(values: readonly string[], name: string): number | undefined {
  const value = values.findLast((each) => each.startsWith(`${name}=`));
  const limit = value
    ?.slice(name.length + 1)
    .split(':')
    .at(-1);
  return limit === undefined || !/^-?\d{1,15}$/.test(limit) ? undefined : Number(limit);
}

/** daemon.json: `{"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}}` in the words of the flag. */
export function writtenLimits(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value as Record<string, unknown>).flatMap(([name, limit]) =>
    typeof limit === 'object' && limit !== null && 'Soft' in limit && 'Hard' in limit
      ? [`${name}=${String(limit.Soft)}:${String(limit.Hard)}`]
      : [],
  );
}
