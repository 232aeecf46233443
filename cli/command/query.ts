import { queryAnswers } from '../../api/query.ts';
import type { AnswerOf, QueryAnswer } from '../../api/query.ts';
import { safe, safeJson } from '../../api/safe.ts';
import { parseDuration } from '../../service/duration.ts';
import { resolveNodes } from '../nodes/choose.ts';
import { isTable, printDocument } from '../output/listing.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_FAILURE, EXIT_OK, nodeOption, outputOption } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { nodeLabel } from '../render/node-label.ts';
import { dateTime, span } from '../../api/format.ts';
import { fit, wrapHard } from '../render/width.ts';

/** Default of `--deadline`. */
const DEFAULT_DEADLINE_MS = 5_000;

export const query = defineCommand({
  name: 'query',
  summary: 'evaluate an expression on nodes',
  usage: ["query 'EXPRESSION' [options]"],
  description: [
    'Sends a CEL expression to all nodes, or to chosen ones, which evaluate it over their facts. The facts are variables: containers, docker, files, images, kernel, listeners, node, nodeStatus, sshd and others; docs/facts.md lists their fields, docs/query.md the functions. nodeStatus (load, memory, disks, containers by state) and labels of containers are read for the query, the others are as the agent last read them. An expression that does not compile is refused before it is sent.',
    'For each node it prints the value, an error, a timeout, or since when the node is offline, and below that the facts that the expression needs and the node could not read. The exit status is 0 if at least one node answered and none failed or timed out.',
  ],
  operands: { min: 1, max: 1 },
  options: [
    nodeOption('only this node'),
    { name: 'deadline', value: 'DURATION', summary: 'how long to wait for a node, such as 500ms or 10s; default 5s' },
    { name: 'max-rows', value: 'NUMBER', summary: 'maximum number of rows per node; default 1000' },
    outputOption('table', 'json', 'ndjson', 'jsonpath='),
  ],
  settings: ['client'],
  examples: [
    { line: "plimsoll query 'kernel.lockdown'", meaning: 'the lockdown level of every node' },
    {
      line: "plimsoll query 'containers.filter(c, c.declared.privileged).map(c, c.name)'",
      meaning: 'names of containers that run privileged',
    },
    {
      line: `plimsoll query "containers.filter(c, 'SYS_ADMIN' in c.capabilities.effective)"`,
      meaning: 'those that hold a capability',
    },
    {
      line: "plimsoll query 'containers.groupBy(c, c.image).transformMap(i, l, l.size())'",
      meaning: 'how many containers each image has',
    },
    {
      line: "plimsoll query 'files.filter(f, f.stat.worldWritable).map(f, f.path)'",
      meaning: 'files that everyone can write to',
    },
    {
      line: 'plimsoll query \'kernel.sysctls["net.ipv4.ip_forward"]\'',
      meaning: 'a setting of the kernel, read for the query',
    },
    { line: "plimsoll query 'sshd.present' -n web-3 -o json", meaning: 'one node, for a script' },
  ],
  run: async (context) => {
    const request = readRequest(context);
    if (!request.ok) return printError(context, request.problem);
    const client = await connect(context.settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    const nodes = await resolveNodes(client.value, request.body.nodes);
    if (!nodes.ok) return printFailure(context, nodes.problem);
    const answer = await client.value.post('/v1/query', queryAnswers, {
      body: { ...request.body, nodes: nodes.value },
      patienceMs: request.body.deadlineMs,
    });
    if (!answer.ok) return printFailure(context, answer.problem);
    const { answers } = answer.value;
    await print(context, answers);
    const failed = answers.some(({ outcome }) => outcome === 'error' || outcome === 'timeout');
    return !failed && answers.some(({ outcome }) => outcome === 'ok') ? EXIT_OK : EXIT_FAILURE;
  },
});

interface RequestBody {
  readonly expression: string;
  readonly nodes: readonly string[];
  readonly deadlineMs: number;
  readonly maxRows?: number;
}

function readRequest({
  args,
}: Context): { readonly ok: true; readonly body: RequestBody } | { readonly ok: false; readonly problem: string } {
  const [expression = ''] = args.operands;
  const deadline = args.value('deadline');
  const deadlineMs = deadline === undefined ? DEFAULT_DEADLINE_MS : parseDuration(deadline);
  if (deadlineMs === undefined || deadlineMs < 1 || deadlineMs > 300_000)
    return { ok: false, problem: '--deadline: expected a duration such as 500ms or 10s, at most 5m' };
  const rows = args.value('max-rows');
  if (rows !== undefined && !/^[1-9]\d{0,4}$/.test(rows))
    return { ok: false, problem: '--max-rows: expected a number from 1 to 99999' };
  const body = { expression, nodes: args.values('node'), deadlineMs };
  return { ok: true, body: rows === undefined ? body : { ...body, maxRows: Number(rows) } };
}

async function print(context: Context, answers: readonly QueryAnswer[]): Promise<void> {
  const { stdout } = context;
  if (!isTable(context)) return printDocument(context, { answers }, answers);
  if (answers.length === 0) return stdout.write('No node has connected yet.\n');
  return stdout.write(answers.map((answer) => `${block(answer, context).join('\n')}\n`).join('\n'));
}

function block(answer: QueryAnswer, { paint, clock, width }: Context): readonly string[] {
  const [rows, cut] = answer.outcome === 'ok' ? [rowsText(answer), answer.truncated ? CUT : ''] : ['', ''];
  const room = width - rows.length - cut.length;
  const name = paint.bold(fit(safe(nodeLabel(answer.nodeName, answer.nodeId)), room));
  const labelled = (label: string, text: string, colour: (text: string) => string): readonly string[] =>
    wrapHard(`${label}: ${safe(text)}`, width - 4).map((line, index) =>
      index === 0 ? `  ${colour(line.slice(0, label.length))}${line.slice(label.length)}` : `    ${line}`,
    );
  switch (answer.outcome) {
    case 'ok': {
      const unread = answer.unread.flatMap((entry) => labelled('not read', entry, paint.dim));
      return [`${name}${paint.dim(rows)}${paint.bad(cut)}`, ...valueLines(answer.value), ...unread];
    }
    case 'error':
      return [name, ...labelled('error', answer.error, paint.bad)];
    case 'timeout':
      return [name, `  ${paint.bad('no answer')} within ${String(answer.deadlineMs)} ms`];
    case 'offline': {
      const since = `since ${dateTime(answer.sinceMs)} (${span(clock.now() - answer.sinceMs)})`;
      return [name, `  ${paint.bad('offline')} ${answer.sinceMs === 0 ? '' : since}`.trimEnd()];
    }
  }
}

const CUT = '  (truncated)';

function rowsText({ value, rows }: AnswerOf<'ok'>): string {
  return Array.isArray(value) ? `  ${String(rows)} row${rows === 1 ? '' : 's'}` : '';
}

/** A list has one item per line; anything else is indented JSON. */
function valueLines(value: unknown): readonly string[] {
  const lines = Array.isArray(value) ? value.map((item) => safeJson(item)) : safeJson(value, 2).split('\n');
  return lines.map((line) => `  ${line}`);
}
