import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact } from '../../fact/container.ts';
import { fail, manual, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { configuredValueOf } from '../daemon/configured-value.ts';
import { hardLimit, limitText, writtenLimits } from '../daemon/default-ulimits.ts';
import { quoteList } from '../evidence-text.ts';

export const ulimits = containerCheck({
  id: 'container.ulimits',
  title: 'Container does not raise the default ulimits',
  failTitle: 'Container has unlimited ulimits of its own',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'An administrator sets default ulimits for all containers. An option of one container that raises them lets it use up the files or processes of the host.',
  remediation:
    'Remove --ulimit from the container, or set a finite value that its program needs. Set "default-ulimits" in daemon.json for all others.',
  references: ['https://docs.docker.com/reference/cli/docker/container/run/#ulimit'],
  judges: 'container',
  needs: ['docker'],
  engineSettings: ['process', 'file'],
  judge: (container, { docker }) => {
    const { limits, declared } = container;
    const asked: Evidence = {
      source: sourceOf(container, 'ulimits'),
      seen: quoteList(declared.ulimits.map(({ name, soft, hard }) => `${name}=${String(soft)}:${String(hard)}`)),
      expected: 'none, or no more than the defaults of the daemon',
    };
    const unlimited = declared.ulimits.filter(({ hard }) => hard < 0).map(({ name }) => name);
    if (unlimited.length > 0) return fail(`the container asks for unlimited ${quoteList(unlimited)}`, asked);
    if (limits.state !== 'seen') return notSeen(limits, asked);
    const kernel: Evidence = {
      source: limits.source,
      seen: `hard limits: open files ${limitText(limits.value.openFiles)}, processes ${limitText(limits.value.processes)}`,
      expected: 'no more than what was asked for',
    };
    const exceeded = declared.ulimits.find(({ name, hard }) => exceeds(effective(limits.value, name), hard));
    if (exceeded !== undefined)
      return fail(`the kernel allows more than the ${exceeded.name} that was asked for`, kernel, asked);
    if (declared.ulimits.length === 0) return pass(kernel, asked);
    const name = { flag: 'default-ulimit', key: 'default-ulimits', fromFile: writtenLimits };
    const defaults = configuredValueOf(docker, name, []);
    const raised = declared.ulimits.filter((one) => {
      const limit = defaults.known ? hardLimit(defaults.values, one.name) : undefined;
      return limit !== undefined && exceeds(one.hard, limit);
    });
    return raised.length === 0
      ? pass(kernel, asked)
      : manual(
          `the container raises ${quoteList(raised.map((one) => one.name))} above the default: is that needed?`,
          asked,
          kernel,
        );
  },
});

type Limits = Extract<ContainerFact['limits'], { state: 'seen' }>['value'];

/** The limit in the kernel; undefined: it is not read. */
function effective({ openFiles, processes }: Limits, name: string): number | undefined {
  if (name === 'nofile') return openFiles;
  return name === 'nproc' ? processes : undefined;
}

/** Is a limit above another one? -1: unlimited. */
function exceeds(limit: number | undefined, other: number): boolean {
  if (limit === undefined || other < 0) return false;
  return limit < 0 || limit > other;
}
