import {
  deadLetterDetail,
  deadLetterList,
  MAX_DEAD_LETTER_IDS,
  purgedDeadLetters,
  replayedDeadLetters,
} from '../../api/dead-letter.ts';
import type { DeadLetterDetail, DeadLetterInfo } from '../../api/dead-letter.ts';
import { withQuery } from '../../api/client.ts';
import { counted, dateTime } from '../../api/format.ts';
import { safe, safeJson } from '../../api/safe.ts';
import { parseDuration } from '../../service/duration.ts';
import { connect } from '../api/connect.ts';
import type { CliClient } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { describeUnlistable, isTable, printDocument, printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';

const SEE = 'see: plimsoll deadletter --help';
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** Most dead letters of one answer. */
const PAGE = 1_000;

export const deadletter = defineCommand({
  name: 'deadletter',
  summary: 'list, replay and purge events that sinks rejected',
  usage: [
    'deadletter [list] [--sink NAME] [options]',
    'deadletter show ID [options]',
    'deadletter replay|purge ID… | --sink NAME | --all [options]',
  ],
  description: [
    'An event that the receiver of a sink will never accept as it is (too large, or not valid for it) becomes a dead letter, and the sink goes on with the next event. The collector keeps at most 10,000 dead letters or 64 MiB of each sink, the newest.',
    'replay sends events again, after the cause was fixed at the receiver or in the configuration. They keep their id (metadata.uid) and their time, and come after the events that wait already: an older event of a finding can arrive after a newer one. An event that is rejected again is in the list again, with one attempt more. The events of a sink that is off stay where they are.',
    'purge deletes dead letters: their receiver never gets these events. Findings and history are not touched. Both need the role operator and are in the audit log.',
  ],
  operands: { min: 0, max: MAX_DEAD_LETTER_IDS + 1, completes: 'deadLetterAction' },
  options: [
    OUTPUT_OPTION,
    { name: 'sink', value: 'NAME', summary: 'only those of this sink' },
    { name: 'all', summary: 'replay, purge: those of all sinks', excludes: ['sink'] },
    {
      name: 'older-than',
      value: 'DURATION',
      summary: 'replay, purge: only those rejected before this time, such as 7d',
    },
    { name: 'limit', value: 'NUMBER', summary: `list: maximum number; default ${String(DEFAULT_LIMIT)}` },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll deadletter', meaning: 'what was rejected, and why' },
    { line: 'plimsoll deadletter show 17', meaning: 'the whole event' },
    { line: 'plimsoll deadletter replay --sink elasticsearch', meaning: 'send the events of a sink again' },
    { line: 'plimsoll deadletter purge --all --older-than 30d', meaning: 'delete old ones' },
  ],
  run: async (context) => {
    const [action = 'list', ...ids] = context.args.operands;
    const problem = problemOf(context, action, ids);
    if (problem !== undefined) return printError(context, problem, SEE);
    const client = await connect(context.settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    if (action === 'list') return list(context, client.value);
    if (action === 'show') return show(context, client.value, ids[0] ?? '');
    return change(context, client.value, { action: action === 'replay' ? action : 'purge', ids: ids.map(Number) });
  },
});

function problemOf(context: Context, action: string, ids: readonly string[]): string | undefined {
  const { args } = context;
  if (!['list', 'show', 'replay', 'purge'].includes(action))
    return `deadletter has no action ${JSON.stringify(safe(action))}; use list, show, replay or purge`;
  const wrong = ids.find((id) => !/^[1-9]\d{0,14}$/.test(id));
  if (wrong !== undefined) return `${JSON.stringify(safe(wrong))} is not the id of a dead letter, which is a number`;
  const isChange = action === 'replay' || action === 'purge';
  if (action === 'list' && ids.length > 0) return 'list takes no id';
  if (action === 'show' && ids.length !== 1) return 'show needs the id of one dead letter';
  if (action === 'show' && args.has('sink')) return 'show takes no --sink';
  if (isChange && [ids.length > 0, args.has('sink'), args.has('all')].filter(Boolean).length !== 1)
    return `${action} needs either ids, --sink NAME or --all`;
  const misplaced = (isChange ? ['limit'] : ['all', 'older-than']).find(args.has);
  if (misplaced !== undefined) return `${action} takes no --${misplaced}`;
  const age = args.value('older-than');
  if (age !== undefined && parseDuration(age) === undefined)
    return '--older-than: expected a duration such as 12h or 7d';
  const limit = limitOf(args.value('limit'));
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    return `--limit: expected a number from 1 to ${String(MAX_LIMIT)}`;
  return action === 'list' ? undefined : describeUnlistable(context, `deadletter ${action}`);
}

function limitOf(text: string | undefined): number {
  return Number(text ?? DEFAULT_LIMIT);
}

async function list(context: Context, client: CliClient): Promise<number> {
  const { args, paint } = context;
  const limit = limitOf(args.value('limit'));
  const items: DeadLetterInfo[] = [];
  for (let cursor: string | undefined; ;) {
    const query = { sink: args.value('sink'), limit: Math.min(PAGE, limit - items.length), cursor };
    const page = await client.get(withQuery('/v1/dead-letters', query), deadLetterList);
    if (!page.ok) return printFailure(context, page.problem);
    items.push(...page.value.deadLetters);
    if (page.value.cursor === null || items.length >= limit) break;
    ({ cursor } = page.value);
  }
  await printListing(context, {
    document: { deadLetters: items },
    items,
    names: items.map(({ id }) => String(id)),
    columns: [
      { title: 'ID', align: 'right' },
      { title: 'SINK' },
      { title: 'REJECTED', min: 19 },
      { title: 'TRIES', align: 'right' },
      { title: 'REASON', min: 16 },
      { title: 'EVENT', min: 16 },
      { title: 'STATE', wide: true },
      { title: 'TYPE', wide: true },
      { title: 'EVENT ID', wide: true },
    ],
    rows: items.map((item) => [
      { text: String(item.id), paint: paint.bold },
      { text: item.sink },
      { text: dateTime(item.rejectedMs) },
      { text: String(item.attempts) },
      { text: item.reason },
      { text: item.message },
      { text: stateOf(item) },
      { text: item.type },
      { text: item.eventUid },
    ]),
    empty: 'No dead letters.',
  });
  return EXIT_OK;
}

function stateOf({ isReplaying }: DeadLetterInfo): string {
  return isReplaying ? 'replaying' : 'rejected';
}

async function show(context: Context, client: CliClient, id: string): Promise<number> {
  const answer = await client.get(`/v1/dead-letters/${id}`, deadLetterDetail);
  if (!answer.ok) return printFailure(context, answer.problem);
  if (!isTable(context)) await printDocument(context, answer.value);
  else await context.stdout.write(`${linesOf(answer.value).join('\n')}\n`);
  return EXIT_OK;
}

function linesOf(letter: DeadLetterDetail): readonly string[] {
  const { id, sink, rejectedMs, attempts, reason, eventUid, eventMs, type, message, findingUid, event } = letter;
  return [
    `${String(id)}: ${message}`,
    `  sink      ${sink}, ${stateOf(letter)}`,
    `  rejected  ${dateTime(rejectedMs)}, ${counted(attempts, 'attempt')}`,
    `  reason    ${reason}`,
    `  event     ${type}, ${eventUid}, ${dateTime(eventMs)}`,
    ...(findingUid === null ? [] : [`  finding   ${findingUid}`]),
    '',
  ]
    .map(safe)
    .concat(safeJson(event, 2));
}

async function change(
  context: Context,
  client: CliClient,
  { action, ids }: { readonly action: 'replay' | 'purge'; readonly ids: readonly number[] },
): Promise<number> {
  const { args, clock } = context;
  const age = parseDuration(args.value('older-than') ?? '');
  const body = {
    ...(ids.length > 0 && { ids }),
    ...(args.has('sink') && { sink: args.value('sink') }),
    ...(args.has('all') && { all: true }),
    ...(age !== undefined && { beforeMs: Math.max(0, clock.now() - age) }),
  };
  const print = async (document: object, text: string): Promise<number> => {
    if (isTable(context)) await context.stdout.write(`${text}\n`);
    else await printDocument(context, document);
    return EXIT_OK;
  };
  if (action === 'replay') {
    const answer = await client.post('/v1/dead-letters/replay', replayedDeadLetters, { body });
    if (!answer.ok) return printFailure(context, answer.problem);
    const { replayed } = answer.value;
    return print(
      answer.value,
      replayed === 0
        ? 'nothing to send again: there is no such dead letter, or its sink is off'
        : `${counted(replayed, 'event')} will be sent again`,
    );
  }
  const answer = await client.post('/v1/dead-letters/purge', purgedDeadLetters, { body });
  if (!answer.ok) return printFailure(context, answer.problem);
  return print(answer.value, `${counted(answer.value.purged, 'dead letter')} deleted`);
}
