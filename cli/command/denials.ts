import { denialList, denialObject, DENIAL_OUTCOMES, ENFORCING_PROGRAMS } from '../../api/denial.ts';
import type { StoredDenialInfo } from '../../api/denial.ts';
import { withQuery } from '../../api/client.ts';
import { ago, dateTime } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import { parseDuration } from '../../service/duration.ts';
import type { CliClient } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { runListOrShow } from '../images/list-or-show.ts';
import { describeUnlistable, isTable, printDocument, printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Cell } from '../render/table.ts';

const SEE = 'see: plimsoll denials --help';
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** Most denials of one answer. */
const PAGE = 1_000;

export const denials = defineCommand({
  name: 'denials',
  summary: 'list the requests that violated a policy, or show one',
  usage: ['denials [list] [options]', 'denials show ID [options]'],
  description: [
    'Lists what the admission webhook of Kubernetes and the authorization plugins of Docker reported to the collector, newest first: requests that were denied, overridden (let through by break-glass) or observed (let through because the policy warns or observes).',
    'show prints every reason of one denial. ID is its id, or at least 8 characters of it. docs/admission.md and docs/docker-authorization.md describe how these programs report.',
  ],
  operands: { min: 0, max: 2 },
  options: [
    OUTPUT_OPTION,
    { name: 'since', value: 'DURATION', summary: 'only those of this time, such as 24h' },
    { name: 'program', value: 'PROGRAM', summary: `only of this program: ${ENFORCING_PROGRAMS.join(', ')}` },
    { name: 'outcome', value: 'OUTCOME', summary: `only with this outcome: ${DENIAL_OUTCOMES.join(', ')}` },
    { name: 'namespace', value: 'NAME', summary: 'only of this namespace' },
    { name: 'limit', value: 'NUMBER', summary: `maximum number; default ${String(DEFAULT_LIMIT)}` },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll denials --since 1h', meaning: 'what was denied in the last hour' },
    { line: 'plimsoll denials --outcome overridden', meaning: 'who used break-glass' },
    { line: 'plimsoll denials show 3f2a9c81', meaning: 'every reason of one denial' },
  ],
  run: async (context) => {
    const problem = wrongOption(context);
    if (problem !== undefined) return printError(context, problem, SEE);
    const unlistable = context.args.operands[0] === 'show' ? describeUnlistable(context, 'denials show') : undefined;
    if (unlistable !== undefined) return printError(context, unlistable, SEE);
    return runListOrShow(context, { command: 'denials', operand: 'the id of a denial', list, show });
  },
});

function wrongOption({ args }: Context): string | undefined {
  const since = args.value('since');
  if (since !== undefined && parseDuration(since) === undefined)
    return '--since: expected a duration such as 30m or 24h';
  const isOneOf = (name: string, words: readonly string[]): boolean =>
    words.includes(args.value(name) ?? words[0] ?? '');
  if (!isOneOf('program', ENFORCING_PROGRAMS)) return `--program: expected one of ${ENFORCING_PROGRAMS.join(', ')}`;
  if (!isOneOf('outcome', DENIAL_OUTCOMES)) return `--outcome: expected one of ${DENIAL_OUTCOMES.join(', ')}`;
  const limit = limitOf(args.value('limit'));
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    return `--limit: expected a number from 1 to ${String(MAX_LIMIT)}`;
  return undefined;
}

function limitOf(text: string | undefined): number {
  return Number(text ?? DEFAULT_LIMIT);
}

async function read(client: CliClient, { args, clock }: Context, limit: number) {
  const since = parseDuration(args.value('since') ?? '');
  const filter = {
    program: args.value('program'),
    outcome: args.value('outcome'),
    namespace: args.value('namespace'),
    sinceMs: since === undefined ? undefined : Math.max(0, clock.now() - since),
  };
  const all: StoredDenialInfo[] = [];
  for (let cursor: string | undefined; ;) {
    const query = { ...filter, limit: Math.min(PAGE, limit - all.length), cursor };
    const page = await client.get(withQuery('/v1/denials', query), denialList);
    if (!page.ok) return page;
    all.push(...page.value.denials);
    if (page.value.cursor === null || all.length >= limit) return { ok: true, value: all } as const;
    ({ cursor } = page.value);
  }
}

async function list(context: Context, client: CliClient): Promise<number> {
  const found = await read(client, context, limitOf(context.args.value('limit')));
  if (!found.ok) return printFailure(context, found.problem);
  const nowMs = context.clock.now();
  await printListing(context, {
    document: { denials: found.value },
    items: found.value,
    names: found.value.map(({ id }) => id),
    columns: [
      { title: 'TIME' },
      { title: 'OUTCOME' },
      { title: 'OBJECT', min: 16 },
      { title: 'USER', min: 8 },
      { title: 'WHY', min: 16 },
      { title: 'POLICIES', wide: true },
      { title: 'OPERATION', wide: true },
      { title: 'REPORTED BY', wide: true },
      { title: 'ID' },
    ],
    rows: found.value.map((denial) => [
      { text: ago(denial.receivedMs, nowMs), value: dateTime(denial.receivedMs) },
      outcomeCell(denial, context),
      { text: denialObject(denial) },
      { text: denial.user === '' ? '-' : denial.user },
      { text: [...new Set(denial.reasons.map(({ code, field }) => code || field))].join(', ') },
      { text: denial.policies.join(', ') },
      { text: denial.operation },
      { text: `${denial.reporter} (${denial.source})` },
      { text: context.args.value('output') === 'wide' ? denial.id : denial.id.slice(0, 8), value: denial.id },
    ]),
    empty: 'No denials.',
  });
  return EXIT_OK;
}

function outcomeCell({ outcome }: StoredDenialInfo, { paint }: Context): Cell {
  return { text: outcome, paint: outcome === 'observed' ? paint.dim : paint.bad };
}

async function show(context: Context, client: CliClient, word: string): Promise<number> {
  const exact = await client.get(withQuery('/v1/denials', { id: [word] }), denialList);
  if (!exact.ok) return printFailure(context, exact.problem);
  let found: readonly StoredDenialInfo[] = exact.value.denials;
  if (found.length === 0 && word.length >= 8) {
    const all = await read(client, context, MAX_LIMIT);
    if (!all.ok) return printFailure(context, all.problem);
    found = all.value.filter(({ id }) => id.startsWith(word));
  }
  const [denial, ...others] = found;
  if (denial === undefined) return printError(context, `no denial ${safe(word)}`, 'see: plimsoll denials');
  if (others.length > 0)
    return printError(context, `${String(found.length)} denials are called ${safe(word)}`, 'use the whole id');
  if (!isTable(context)) await printDocument(context, denial, [denial]);
  else await context.stdout.write(`${linesOf(denial).map(safe).join('\n')}\n`);
  return EXIT_OK;
}

function linesOf(denial: StoredDenialInfo): readonly string[] {
  const { reasons, omitted, suppressed, breakGlass, requestUid } = denial;
  const rest = omitted === 0 ? [] : [`  and ${String(omitted)} more, which were not reported`];
  return [
    `${denialObject(denial)}: ${denial.outcome}`,
    `  id          ${denial.id}`,
    `  decided     ${dateTime(denial.atMs)}, received ${dateTime(denial.receivedMs)}`,
    `  operation   ${denial.operation}${requestUid === '' ? '' : `, request ${requestUid}`}`,
    `  user        ${denial.user === '' ? 'not known' : denial.user}`,
    `  policies    ${denial.policies.length === 0 ? 'none' : denial.policies.join(', ')}`,
    ...(breakGlass === '' ? [] : [`  break-glass ${breakGlass}`]),
    `  reported by ${denial.reporter}, with the token ${denial.source}`,
    ...(suppressed === 0 ? [] : [`  before it, ${String(suppressed)} requests were not reported: there were too many`]),
    '',
    ...reasons.map(({ text }, index) => `  ${String(index + 1)}. ${text}`),
    ...rest,
  ];
}
