import { safe } from '../../api/safe.ts';
import type { PlanEntry } from '../../policy/rollout/plan.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { printError } from '../print-error.ts';
import { runService } from '../run-service.ts';
import { rolloutCells, ROLLOUT_COLUMNS } from '../policy/rollout-table.ts';

export const rollout = defineCommand({
  name: 'rollout',
  summary: 'replace vulnerable images of Kubernetes workloads',
  usage: ['rollout [options]', 'rollout --plan [options]'],
  description: [
    'Gives Deployments, StatefulSets, DaemonSets and CronJobs another image by rollout policies (docs/rollout.md): because of vulnerabilities, the end of life of their distribution, an expired waiver, or image policies that refuse them. A successor is looked for in the registry, scanned and judged by the image policies of the collector before it is planned. A rollout is watched, and rolled back if the workload does not become ready or gets new failures. Policies are in dry run unless they say mode: apply, and each step waits for plimsoll rollouts approve unless they say approval: automatic.',
    'Runs in the foreground and logs to standard error. Of several processes the one that holds the lease acts.',
    '--plan prints what would be done with each workload that a policy is for, and why, or why nothing is. It changes nothing. A successor that is not scanned yet is being scanned: ask again.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    { name: 'plan', summary: 'print the plan once' },
    { ...OUTPUT_OPTION, needs: 'plan' },
  ],
  settings: ['rollout'],
  examples: [
    {
      line: 'plimsoll rollout --plan --rollout-policies rollout.yaml',
      meaning: 'what the policies of a file would do now',
    },
  ],
  run: (context) =>
    context.args.has('plan')
      ? printPlan(context)
      : runService(context, context.programs.rollout, 'its policies are not read yet'),
});

async function printPlan(context: Context): Promise<number> {
  const { settings, programs } = context;
  const planned = await programs.planRollouts({ settings, signal: context.listenForShutdown() });
  if (!planned.ok) return printError(context, safe(planned.reason));
  const entries: readonly PlanEntry[] = planned.value;
  await printListing(context, {
    document: { rollouts: entries },
    items: entries,
    names: entries.map(({ id }) => id),
    columns: ROLLOUT_COLUMNS,
    rows: entries.map((entry) => rolloutCells(context, entry)),
    empty: 'The rollout policies are for no workload of the cluster.',
  });
  return EXIT_OK;
}
