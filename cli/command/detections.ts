import { DETECTION_RULE_IDS, detectionList } from '../../api/detection.ts';
import type { DetectionInfo } from '../../api/detection.ts';
import { withQuery } from '../../api/client.ts';
import { ago, dateTime } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import { parseDuration } from '../../service/duration.ts';
import type { CliClient } from '../api/connect.ts';
import { defineCommand, EXIT_OK, nodeOption, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { runListOrShow } from '../images/list-or-show.ts';
import { resolveNodes } from '../nodes/choose.ts';
import { describeUnlistable, isTable, printDocument, printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';

const SEE = 'see: plimsoll detections --help';
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** Most detections of one answer. */
const PAGE = 1_000;

export const detections = defineCommand({
  name: 'detections',
  summary: 'list what changed for the worse as it happened, or show one',
  usage: ['detections [list] [options]', 'detections show ID [options]'],
  description: [
    'Lists changes that someone should look at, newest first: privileged containers that started, mounted engine sockets, accounts and SSH keys that were added, SSH sessions, expired certificates, silent agents. What a node had when it was first seen is not a detection.',
    'show prints the evidence of one detection. Each is also an event for the sinks; docs/events.md lists the rules.',
  ],
  operands: { min: 0, max: 2 },
  options: [
    OUTPUT_OPTION,
    { name: 'since', value: 'DURATION', summary: 'only those of this time, such as 24h' },
    nodeOption('only of this node'),
    { name: 'rule', value: 'RULE', repeated: true, choices: DETECTION_RULE_IDS, summary: 'only of this rule.' },
    { name: 'limit', value: 'NUMBER', summary: `maximum number; default ${String(DEFAULT_LIMIT)}` },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll detections --since 1h', meaning: 'what was detected in the last hour' },
    { line: 'plimsoll detections --rule ssh-key-added', meaning: 'SSH keys that were added' },
    { line: 'plimsoll detections show 5f0c2a9be1d3-1k-mq3v', meaning: 'the evidence of one detection' },
  ],
  run: async (context) => {
    const { args } = context;
    const since = args.value('since');
    if (since !== undefined && parseDuration(since) === undefined)
      return printError(context, '--since: expected a duration such as 30m or 24h', SEE);
    const limit = limitOf(args);
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
      return printError(context, `--limit: expected a number from 1 to ${String(MAX_LIMIT)}`, SEE);
    const unlistable = args.operands[0] === 'show' ? describeUnlistable(context, 'detections show') : undefined;
    if (unlistable !== undefined) return printError(context, unlistable, SEE);
    return runListOrShow(context, { command: 'detections', operand: 'the id of a detection', list, show });
  },
});

function limitOf(args: Context['args']): number {
  return Number(args.value('limit') ?? DEFAULT_LIMIT);
}

async function read(client: CliClient, { args, clock }: Context) {
  const nodes = await resolveNodes(client, args.values('node'));
  if (!nodes.ok) return nodes;
  const since = parseDuration(args.value('since') ?? '');
  const filter = {
    node: nodes.value,
    rule: args.values('rule'),
    sinceMs: since === undefined ? undefined : Math.max(0, clock.now() - since),
  };
  const limit = limitOf(args);
  const all: DetectionInfo[] = [];
  for (let cursor: string | undefined; ;) {
    const query = { ...filter, limit: Math.min(PAGE, limit - all.length), cursor };
    const page = await client.get(withQuery('/v1/detections', query), detectionList);
    if (!page.ok) return page;
    all.push(...page.value.detections);
    if (page.value.cursor === null || all.length >= limit) return { ok: true, value: all } as const;
    ({ cursor } = page.value);
  }
}

async function list(context: Context, client: CliClient): Promise<number> {
  const found = await read(client, context);
  if (!found.ok) return printFailure(context, found.problem);
  const nowMs = context.clock.now();
  await printListing(context, {
    document: { detections: found.value },
    items: found.value,
    names: found.value.map(({ id }) => id),
    columns: [
      { title: 'TIME' },
      { title: 'SEVERITY' },
      { title: 'NODE', min: 8 },
      { title: 'DETECTION', min: 16 },
      { title: 'SUBJECT', min: 16 },
      { title: 'ID', wide: true },
      { title: 'ATTACK', wide: true },
      { title: 'WHY', wide: true },
    ],
    rows: found.value.map(({ id, atMs, severity, nodeName, title, subject, reason, technique }) => [
      { text: ago(atMs, nowMs), value: dateTime(atMs) },
      { text: severity },
      { text: nodeName },
      { text: title },
      { text: `${subject.kind} ${subject.name || subject.id}` },
      { text: id },
      { text: technique },
      { text: reason },
    ]),
    empty: 'No detections.',
  });
  if (isTable(context) && found.value.length > 0)
    await context.stderr.write('evidence: plimsoll detections show ID; -o wide lists the ids\n');
  return EXIT_OK;
}

async function show(context: Context, client: CliClient, word: string): Promise<number> {
  const answer = await client.get(withQuery('/v1/detections', { id: [word] }), detectionList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const [found] = answer.value.detections;
  if (found === undefined) return printError(context, `no detection ${safe(word)}`, 'see: plimsoll detections');
  if (!isTable(context)) await printDocument(context, found, [found]);
  else await context.stdout.write(`${linesOf(found).map(safe).join('\n')}\n`);
  return EXIT_OK;
}

function linesOf(found: DetectionInfo): readonly string[] {
  const { id, atMs, rule, title, severity, nodeName, nodeId, subject, reason, evidence, suppressed } = found;
  return [
    `${title} (${severity})`,
    `  id        ${id}`,
    `  detected  ${dateTime(atMs)}`,
    `  rule      ${rule}`,
    ...(found.technique === '' ? [] : [`  ATT&CK    ${found.technique} ${found.techniqueName} (${found.tactic})`]),
    `  node      ${nodeName} (${nodeId})`,
    `  subject   ${subject.kind} ${subject.name} (${subject.id})`,
    `  why       ${reason}`,
    ...(suppressed === 0 ? [] : [`  and       ${String(suppressed)} more of this rule without an entry of their own`]),
    ...evidence.flatMap(({ source, seen, expected }) => [
      `  ${source}`,
      `    actual    ${seen}`,
      `    expected  ${expected}`,
    ]),
  ];
}
