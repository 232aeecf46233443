import { isRunning } from '../../fact/container.ts';
import type { ContainersFact } from '../../fact/container.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { hasEnded, notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { counted, parameterized } from '../parameter.ts';
import { configuredValueOf } from './configured-value.ts';
import { configuredEvidence, unseenReason } from './setting.ts';

/** Open files and processes: the two that a container can exhaust for the whole host. */
const WANTED = ['nofile', 'nproc'] as const;
/** Default of fs.nr_open, proc_sys_fs(5): the kernel gives no process a higher limit unless an administrator raises it. */
const NR_OPEN = 1_048_576;

export const defaultUlimits = parameterized(
  {
    maxOpenFiles: {
      doc: 'highest hard limit of open files that counts as finite: systemd writes infinity as a number of about a billion',
      default: NR_OPEN,
      minimum: 1,
      maximum: 2 ** 31,
    },
  },
  ({ maxOpenFiles }) =>
    nodeCheck({
      id: 'daemon.default-ulimits',
      title: 'Default ulimits are finite',
      failTitle: 'Default ulimits are unlimited',
      judgedBy: 'effect',
      severity: 'low',
      rationale:
        'Without ulimits of their own, containers inherit those of containerd or dockerd, which their units may set to infinity: one container can use up the processes or files of the host.',
      remediation:
        'Set nofile and nproc in "default-ulimits" in daemon.json, for example {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 65536}, "nproc": {"Name": "nproc", "Soft": 4096, "Hard": 4096}}, restart Docker, and create the containers again.',
      references: ['https://docs.docker.com/reference/cli/dockerd/#default-ulimit-settings'],
      judges: 'docker',
      needs: ['containers', 'docker'],
      judge: ({ containers, docker }) => {
        if (docker.present.state === 'absent') return notApplicable('Docker is not installed on this host');
        const name = { flag: 'default-ulimit', key: 'default-ulimits', fromFile: writtenLimits };
        const value = configuredValueOf(docker, name, []);
        if (!value.known) return unknownBecause(value.reason);
        const evidence = configuredEvidence(value, 'finite nofile and nproc');
        const limits = WANTED.map((each) => hardLimit(value.values, each));
        if (limits.some((limit, index) => limit !== undefined && isUnlimited(WANTED[index], limit, maxOpenFiles)))
          return fail(UNLIMITED, evidence);
        if (limits.includes(undefined)) return judgeInherited(containers, docker.endpoint, maxOpenFiles, evidence);
        return value.doubt === '' ? pass(evidence) : unknownBecause(value.doubt, evidence);
      },
    }),
);

const UNLIMITED = 'a container can use up the files or processes of the host';

function isUnlimited(name: string | undefined, limit: number, maxOpenFiles: number): boolean {
  return limit < 0 || (name === 'nofile' && limit > maxOpenFiles);
}

/** Where dockerd sets no default, the kernel shows what the running containers inherited. */
function judgeInherited(
  containers: ContainersFact,
  endpoint: string,
  maxOpenFiles: number,
  configured: Evidence,
): Judgement {
  if (containers.state !== 'seen') return unknownBecause(unseenReason(containers), configured);
  const running = containers.value.filter((one) => one.engine === endpoint && isRunning(one) && !hasEnded(one));
  if (running.length === 0)
    return manual(
      'containers inherit the limits of containerd or dockerd, and no container runs that would show them',
      configured,
    );
  const wide: Evidence[] = [];
  for (const { limits, name } of running) {
    if (limits.state !== 'seen') continue;
    const { openFiles, processes } = limits.value;
    if (!isUnlimited('nofile', openFiles, maxOpenFiles) && !isUnlimited('nproc', processes, maxOpenFiles)) continue;
    const seen = `${quote(name)}: hard limits: open files ${limitText(openFiles)}, processes ${limitText(processes)}`;
    wide.push({ source: limits.source, seen, expected: `at most ${String(maxOpenFiles)} files, finite processes` });
  }
  if (wide.length > 0) return fail(UNLIMITED, ...wide.slice(0, 3), configured);
  const unread = running.find(({ limits }) => limits.state !== 'seen')?.limits;
  if (unread !== undefined && unread.state !== 'seen') return notSeen(unread, configured);
  return pass(
    {
      source: '/proc/PID/limits',
      seen: `${counted(running.length, 'running container')}, each with finite limits of open files and processes`,
      expected: `at most ${String(maxOpenFiles)} files, finite processes`,
    },
    configured,
  );
}

/** A limit for people; -1: unlimited. */
export function limitText(limit: number): string {
  return limit < 0 ? 'unlimited' : String(limit);
}

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
