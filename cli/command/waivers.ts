import { resolve } from 'node:path';
import { WAIVER_STATES, WAIVER_TARGETS, waiverList } from '../../api/waiver.ts';
import type { ListedWaiver } from '../../api/waiver.ts';
import { problemsOf } from '../../api/waiver-problems.ts';
import type { WaiverLimits } from '../../api/waiver-problems.ts';
import { safe } from '../../api/safe.ts';
import { parseDuration } from '../../service/duration.ts';
import { problemsText } from '../../tailoring/catalog.ts';
import { misspelledCheck } from '../api/checks.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_ISSUES, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Cell } from '../render/table.ts';
import { waiversOfFiles } from '../waivers/files.ts';

const SEE = 'see: plimsoll waivers --help';
const DEFAULT_WITHIN = '30d';

export const waivers = defineCommand({
  name: 'waivers',
  summary: 'list waivers and what they accept, or those to decide about',
  usage: ['waivers [list] [options]', 'waivers report [options]'],
  description: [
    'list asks the collector for the waivers of its setting waivers, of findings and of vulnerabilities: who accepts what, until when, and how many findings or images that is. Those that end first come first.',
    'report lists only those that someone should decide about: expired, ending soon, matching nothing, accepting more than half of all or more than --max-findings. Exit status 1 where there are any.',
    'With --file it reads files without a collector; what they accept is then not known.',
  ],
  operands: { min: 0, max: 1, completes: 'waiverAction' },
  options: [
    {
      name: 'file',
      value: 'FILE',
      repeated: true,
      completes: 'file',
      summary: 'read this file, or the files of this directory, instead of asking the collector',
    },
    { name: 'state', value: 'STATE', choices: WAIVER_STATES, repeated: true, summary: 'only waivers in this state' },
    {
      name: 'target',
      value: 'TARGET',
      choices: WAIVER_TARGETS,
      summary: 'only waivers of findings or of vulnerabilities',
    },
    {
      name: 'within',
      value: 'DURATION',
      summary: `with report: a waiver that ends within this time is reported; default ${DEFAULT_WITHIN}`,
    },
    {
      name: 'max-findings',
      value: 'NUMBER',
      excludes: ['file'],
      summary: 'with report: a waiver that accepts more findings is reported',
    },
    OUTPUT_OPTION,
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll waivers', meaning: 'all waivers of the collector' },
    { line: 'plimsoll waivers report --within 14d', meaning: 'what to decide about in the next two weeks' },
    {
      line: 'plimsoll waivers report --max-findings 50 -o json',
      meaning: 'for a pipeline: exit status 1 if one is reported',
    },
    { line: 'plimsoll waivers list --file waivers/', meaning: 'whether files are valid, and what they say' },
  ],
  issue: 'report lists a waiver',
  run: async (context) => {
    const { args } = context;
    const [action = 'list'] = args.operands;
    if (action !== 'list' && action !== 'report')
      return printError(context, `waivers has no action ${JSON.stringify(safe(action))}`, SEE);
    const limits = limitsOf(context);
    if (typeof limits === 'string') return printError(context, limits, SEE);
    if (action === 'list' && (args.has('within') || args.has('max-findings')))
      return printError(context, '--within and --max-findings are for report', SEE);
    const found = await readWaivers(context);
    if (typeof found === 'number') return found;
    const states = args.values('state');
    const target = args.value('target');
    const chosen = found
      .filter((one) => (states.length === 0 || states.includes(one.state)) && (target ?? one.target) === one.target)
      .map((one) => Object.assign({ problems: problemsOf(one, limits) }, one))
      .filter(({ problems }) => action === 'list' || problems.length > 0);
    await print(context, chosen, action);
    for (const { name, match } of chosen)
      for (const problem of match.checks.flatMap((check) => misspelledCheck(check) ?? []))
        await context.stderr.write(`plimsoll: waiver ${safe(name)}: ${problem}\n`);
    return action === 'report' && chosen.length > 0 ? EXIT_ISSUES : EXIT_OK;
  },
});

function limitsOf({ args, clock }: Context): WaiverLimits | string {
  const withinMs = parseDuration(args.value('within') ?? DEFAULT_WITHIN);
  if (withinMs === undefined) return '--within: expected a duration such as 14d';
  const text = args.value('max-findings');
  if (text !== undefined && !/^\d{1,9}$/.test(text)) return '--max-findings: expected a number';
  return { nowMs: clock.now(), withinMs, maxFindings: text === undefined ? Infinity : Number(text) };
}

/** The waivers, or the exit code where they cannot be read. */
async function readWaivers(context: Context): Promise<readonly ListedWaiver[] | number> {
  const { args, settings, clock, workingDirectory } = context;
  if (args.has('file')) {
    const paths = args.values('file').map((path) => resolve(workingDirectory, path));
    const read = await waiversOfFiles(paths, clock.now());
    return read.ok ? read.waivers : printError(context, problemsText(read.problems));
  }
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const answer = await client.value.get('/v1/waivers', waiverList);
  if (!answer.ok) return printFailure(context, answer.problem);
  if (answer.value.omitted > 0)
    await context.stderr.write(`plimsoll: ${String(answer.value.omitted)} more waivers are not listed\n`);
  return answer.value.waivers;
}

async function print(
  context: Context,
  waiverItems: readonly (ListedWaiver & { readonly problems: readonly string[] })[],
  action: 'list' | 'report',
): Promise<void> {
  const { paint } = context;
  const isReport = action === 'report';
  await printListing(context, {
    document: { waivers: waiverItems },
    items: waiverItems,
    names: waiverItems.map(({ name }) => name),
    columns: [
      { title: 'WAIVER', min: 12 },
      { title: isReport ? 'PROBLEM' : 'STATE', min: isReport ? 32 : 8 },
      { title: 'ACCEPTS', align: 'right' },
      { title: 'EXPIRES' },
      { title: 'OWNER', min: 8 },
      { title: 'WHAT', min: 16 },
      { title: 'REASON', wide: true },
    ],
    rows: waiverItems.map((one): readonly Cell[] => [
      { text: one.name, paint: paint.bold },
      {
        text: isReport ? one.problems.join(', ') : stateText(one.state),
        ...(one.problems.length > 0 && { paint: paint.bad }),
      },
      countCell(one),
      { text: one.expires },
      { text: one.owner },
      { text: whatText(one.match) },
      { text: one.reason },
    ]),
    empty: isReport ? 'No waiver needs a decision.' : 'No waivers.',
  });
}

function stateText(state: string): string {
  return state === 'notReviewed' ? 'not reviewed' : state;
}

function countCell({ findings, images }: ListedWaiver): Cell {
  if (findings !== null) return { text: String(findings), value: findings };
  return images === null
    ? { text: '' }
    : { text: images === 1 ? '1 image' : `${String(images)} images`, value: images };
}

/** `container.privileged; subjects report; images sha256:…` */
function whatText({
  checks,
  subjects,
  nodes,
  imageIds,
  vulnerabilities,
  packages,
  images,
}: ListedWaiver['match']): string {
  const parts = [
    ['', [...checks, ...vulnerabilities]],
    ['subjects ', subjects],
    ['nodes ', nodes],
    ['packages ', packages],
    ['images ', [...images, ...imageIds]],
  ] as const;
  return parts
    .filter(([, words]) => words.length > 0)
    .map(([label, words]) => `${label}${words.join(', ')}`)
    .join('; ');
}
