import type { ContainerFact } from '../../fact/container.ts';
import { isRunning } from '../../fact/container.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { isoTime, quoteList } from '../evidence-text.ts';
import { unseenReason } from './setting.ts';
import { parameterized } from '../parameter.ts';

export const stoppedContainers = parameterized(
  { maxDays: { doc: 'days that a container may stay after it ended', default: 30, minimum: 1, maximum: 3650 } },
  ({ maxDays }) =>
    nodeCheck({
      id: 'daemon.stopped-containers',
      title: `Containers do not stay for ${String(maxDays)} days after they ended`,
      failTitle: 'Containers that ended long ago are still on the host',
      judgedBy: 'effect',
      severity: 'low',
      rationale:
        'A container that ended keeps its files, with the data and secrets in them, and anyone with the socket can start it again with the image and the privileges of its day.',
      remediation: `Run docker container prune --filter until=${String(maxDays * 24)}h, also regularly by a timer, and start one-off containers with --rm.`,
      references: ['https://docs.docker.com/engine/manage-resources/pruning/'],
      judges: 'docker',
      needs: ['clock', 'containers', 'docker'],
      judge: ({ clock, containers, docker }) => {
        if (docker.api.state !== 'seen') return unknownBecause(unseenReason(docker.api));
        if (containers.state !== 'seen') return unknownBecause(unseenReason(containers));
        const stopped = containers.value.filter((one) => one.engine === docker.endpoint && !isRunning(one));
        const limit = clock.nowMs - maxDays * 86_400_000;
        const old = stopped.filter((one) => endOf(one) < limit).sort((one, other) => endOf(one) - endOf(other));
        const oldest = old[0];
        const evidence = {
          source: containers.source,
          seen:
            oldest === undefined
              ? `${String(stopped.length)} do not run, none of them for ${String(maxDays)} days`
              : `${String(old.length)} of ${String(stopped.length)}, the oldest since ${isoTime(endOf(oldest))}: ${quoteList(old.slice(0, 8).map(({ name }) => name))}`,
          expected: `none that ended more than ${String(maxDays)} days ago`,
        };
        if (oldest !== undefined)
          return fail(`${String(old.length)} containers ended more than ${String(maxDays)} days ago`, evidence);
        const undated = stopped.find((one) => Number.isNaN(endOf(one)));
        return undated === undefined
          ? pass(evidence)
          : unknownBecause(`when ${undated.name} ended is not known`, evidence);
      },
    }),
);

/** NaN: not known. */
function endOf({ endedAt }: ContainerFact): number {
  return Date.parse(endedAt);
}
