import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/**
 * What the running agent takes of its node, and what that means for its work. Absent where no agent runs: in a scan
 * and in a recording.
 */
export const agentSchema = observed(
  s.object({
    level: s.oneOf(
      ['normal', 'throttled', 'critical'],
      'normal: full speed; throttled, critical: slowed down because it was over its budget',
    ),
    reason: s.oneOf(['none', 'memory', 'cpu', 'memoryAndCpu'], 'what was over its budget'),
    sinceMs: s.integer('when it was slowed down, or when it began to work at full speed; milliseconds since 1970'),
    sweepFactor: s.integer('factor by which sweep intervals are longer than configured; 1 at full speed'),
    rssBytes: s.integer('resident memory of the process'),
    rssBudgetBytes: s.integer('most resident memory that it may take for long'),
    highestRssBytes: s.integer('highest since it was slowed down; 0 at full speed'),
    cpuMillicores: s.integer('CPU time over the last minute, in thousandths of a core'),
    cpuBudgetMillicores: s.integer('most CPU time that it may take for long'),
    highestCpuMillicores: s.integer('highest since it was slowed down; 0 at full speed'),
  }),
  'the agent itself: what it takes of the node',
);
/** See {@link agentSchema}. */
export type AgentFact = s.Infer<typeof agentSchema>;
