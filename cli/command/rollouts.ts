import { budgetLabel, rollout, rolloutList, rolloutPause, workloadName } from '../../api/rollout.ts';
import type { Rollout } from '../../api/rollout.ts';
import { safe } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import type { CliClient } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { isTable, printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import { rolloutCells, ROLLOUT_COLUMNS } from '../policy/rollout-table.ts';

const ACTIONS = ['list', 'show', 'approve', 'reject', 'pause', 'resume', 'budgets'] as const;
type Action = (typeof ACTIONS)[number];

export const rollouts = defineCommand({
  name: 'rollouts',
  summary: 'list, approve, reject and pause rollouts',
  usage: [
    'rollouts [list] [--all] [options]',
    'rollouts show ID [options]',
    'rollouts budgets [options]',
    'rollouts approve|reject ID',
    'rollouts pause|resume',
  ],
  description: [
    'list prints what plimsoll rollout plans and has done, with --all also the workloads with nothing to do, and why. show prints one rollout with its images, reasons, decision and steps. budgets prints how much of the budgets of the policies is used and by which workloads, and when their maintenance windows open and close.',
    'An approval is for exactly what is planned under the ID: policy, workload, action and images. It counts once. A rejected step stays rejected until it is approved. While rollouts are paused nothing begins; what runs is still watched, and rolled back if it fails.',
    'Approving, rejecting and pausing need the role operator and, for a token that is restricted to scopes, the scope approve. Every call is in the audit log.',
  ],
  operands: { min: 0, max: 2, completes: 'rolloutAction' },
  options: [OUTPUT_OPTION, { name: 'all', summary: 'with list: also workloads with nothing to do' }],
  settings: ['client'],
  examples: [
    { line: 'plimsoll rollouts', meaning: 'what is planned, runs and was done' },
    { line: 'plimsoll rollouts approve 3f2a9c81d07b4e55', meaning: 'let a planned step begin' },
    { line: 'plimsoll rollouts pause', meaning: 'begin nothing until plimsoll rollouts resume' },
  ],
  run: async (context) => {
    const [action = 'list', id, ...rest] = context.args.operands;
    if (!ACTIONS.includes(action as Action))
      return printError(
        context,
        `rollouts has no action ${JSON.stringify(safe(action))}; use ${ACTIONS.join(', ')}`,
        'see: plimsoll rollouts --help',
      );
    const needsId = action === 'show' || action === 'approve' || action === 'reject';
    if (needsId !== (id !== undefined) || rest.length > 0)
      return printError(
        context,
        needsId ? `${action} needs the id of a rollout` : `${action} takes no id`,
        'see: plimsoll rollouts',
      );
    const client = await connect(context.settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    switch (action as Action) {
      case 'list':
        return list(context, client.value);
      case 'show':
        return show(context, client.value, id ?? '');
      case 'budgets':
        return listBudgets(context, client.value);
      case 'approve':
        return decide(context, client.value, { id: id ?? '', decision: 'approved' });
      case 'reject':
        return decide(context, client.value, { id: id ?? '', decision: 'rejected' });
      case 'pause':
      case 'resume':
        return setPaused(context, client.value, action === 'pause');
    }
  },
});

async function list(context: Context, client: CliClient): Promise<number> {
  const answer = await client.get('/v1/rollouts', rolloutList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const { isPaused, plannedMs, rollouts: all } = answer.value;
  if (isPaused) await context.stderr.write('plimsoll: rollouts are paused: plimsoll rollouts resume\n');
  if (plannedMs === null)
    await context.stderr.write(
      'plimsoll: no plan was reported since the collector started: does plimsoll rollout run, and does it hold its lease (see its log)?\n',
    );
  const items = context.args.has('all') ? all : all.filter(({ action }) => action !== 'none');
  await printListing(context, {
    document: { isPaused, plannedMs, rollouts: items },
    items,
    names: items.map(({ id }) => id),
    columns: ROLLOUT_COLUMNS,
    rows: items.map((one) => rolloutCells(context, one)),
    empty: all.length > 0 ? 'Nothing is to be done. With --all: why.' : 'No rollouts.',
  });
  return EXIT_OK;
}

async function show(context: Context, client: CliClient, wanted: string): Promise<number> {
  const answer = await client.get('/v1/rollouts', rolloutList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const found = answer.value.rollouts.filter(({ id }) => id.startsWith(wanted));
  const [one] = found;
  if (one === undefined || found.length > 1)
    return printError(
      context,
      `${one === undefined ? 'no rollout' : 'more than one rollout'} has the id ${safe(wanted)}`,
      'list them: plimsoll rollouts --all',
    );
  if (!isTable(context)) {
    await printListing(context, {
      document: one,
      items: [one],
      names: [one.id],
      columns: ROLLOUT_COLUMNS,
      rows: [rolloutCells(context, one)],
      empty: '',
    });
    return EXIT_OK;
  }
  await context.stdout.write(`${linesOf(one).map(safe).join('\n')}\n`);
  return EXIT_OK;
}

async function listBudgets(context: Context, client: CliClient): Promise<number> {
  const answer = await client.get('/v1/rollouts', rolloutList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const { budgets, windows, plannedMs } = answer.value;
  const { paint } = context;
  await printListing(context, {
    document: { plannedMs, budgets, windows },
    items: budgets,
    names: budgets.map(({ policy, budget }) => `${policy}/${budget}`),
    columns: [{ title: 'POLICY' }, { title: 'BUDGET' }, { title: 'USED' }, { title: 'BY', min: 12 }],
    rows: budgets.map((one) => {
      const { policy, used, limit, holders, freesMs } = one;
      const text = `${String(used)} of ${String(limit)}`;
      const until = freesMs === null ? [] : [`free again ${timeText(freesMs)}`];
      return [
        { text: safe(policy) },
        { text: safe(budgetLabel(one)) },
        used < limit ? { text } : { text, paint: paint.bad },
        { text: safe([...holders, ...until].join(', ')) },
      ];
    }),
    empty: 'No budgets were reported since the collector started: does plimsoll rollout run?',
  });
  if (!isTable(context)) return EXIT_OK;
  for (const { policy, isOpen, changesMs } of windows) {
    const next = changesMs === null ? '' : `, ${isOpen ? 'closes' : 'opens'} ${timeText(changesMs)}`;
    await context.stdout.write(`\nMaintenance window of ${safe(policy)}: ${isOpen ? 'open' : 'closed'}${next}\n`);
  }
  return EXIT_OK;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function linesOf(one: Rollout): readonly string[] {
  const { id, policy, workload, action, state, changes, reasons, note, decision, steps } = one;
  const at = timeText;
  return [
    `${id}  ${workloadName(workload)}`,
    `action    ${action}`,
    `state     ${state}${note === '' ? '' : `: ${note}`}`,
    `policy    ${policy}`,
    ...changes.flatMap(({ container, from, to }) => [
      `image     ${container}: ${from}`,
      `          → ${to === '' ? 'a new image is wanted' : to}`,
    ]),
    ...reasons.map((reason) => `because   ${reason}`),
    ...(decision === null ? [] : [`decision  ${decision.decision} by ${decision.by} at ${at(decision.atMs)}`]),
    ...steps.map((step) => `step      ${at(step.atMs)} ${step.state}${step.note === '' ? '' : `: ${step.note}`}`),
  ];
}

async function decide(
  context: Context,
  client: CliClient,
  { id, decision }: { readonly id: string; readonly decision: 'approved' | 'rejected' },
): Promise<number> {
  const path = `/v1/rollouts/${encodeURIComponent(id)}/decision`;
  const answer = await client.post(path, rollout, { body: { decision } });
  if (!answer.ok) return printFailure(context, answer.problem);
  const { workload, action } = answer.value;
  const what = `${action} of ${workloadName(workload)}`;
  return print(context, answer.value, `${decision}: ${what}`);
}

async function setPaused(context: Context, client: CliClient, isPaused: boolean): Promise<number> {
  const body = { isPaused };
  const answer = await client.post('/v1/rollouts/pause', rolloutPause, { body });
  if (!answer.ok) return printFailure(context, answer.problem);
  return print(context, answer.value, isPaused ? 'rollouts are paused' : 'rollouts go on');
}

async function print({ args, stdout }: Context, document: object, text: string): Promise<number> {
  await stdout.write(
    args.value('output') === 'json' ? `${JSON.stringify(document, undefined, 2)}\n` : `${safe(text)}\n`,
  );
  return EXIT_OK;
}
