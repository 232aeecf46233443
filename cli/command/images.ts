import { imageDetail, imageList } from '../../api/image.ts';
import type { ImageDetail, ImageSummary } from '../../api/image.ts';
import { reasonSummary } from '../../api/policy.ts';
import type { PolicySuppression as Suppression } from '../../api/policy.ts';
import { safe } from '../../api/safe.ts';
import { announcement } from '../../api/rollout.ts';
import { connect } from '../api/connect.ts';
import type { CliClient } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { riskCell, shortId, warnOfDatabase } from '../images/cells.ts';
import { VULNERABILITY_COLUMNS, vulnerabilityRow } from '../images/vulnerability-table.ts';
import { runListOrShow } from '../images/list-or-show.ts';
import { isTable, printListing } from '../output/listing.ts';
import { outcomeCell } from '../policy/simulate.ts';
import { printError, printFailure } from '../print-error.ts';
import { renderTable } from '../render/table.ts';
import type { Cell } from '../render/table.ts';

export const images = defineCommand({
  name: 'images',
  summary: 'list the images that run, or show the vulnerabilities of one',
  usage: [
    'images [list] [options]',
    'images show IMAGE [options]',
    'images announce IMAGE@DIGEST [--replaces TAG|DIGEST]… [options]',
  ],
  description: [
    'Lists the images that running containers use, by the risk of their vulnerabilities, with --unused also those at rest, which are on a node without a container that runs them: their vulnerabilities affect nothing that runs. STATE says how much is known: only an image that is complete has no other vulnerabilities than those counted.',
    'plimsoll image scan lists the packages of one image without a collector.',
    'announce is for pipelines: it tells the collector that an image replaces others of its repository, those with its own tag unless --replaces names tags or digests. Rollout policies with the successor announced then look at it; it is scanned and judged like any other (docs/rollout.md). Needs the role operator and the scope policy.',
    'show prints the vulnerabilities of one image with the versions that fix them, and what is not known. IMAGE is its id, at least 4 digits of it, or a reference that a container was started from. With -o json it also has the packages, the upgrades and the containers.',
  ],
  operands: { min: 0, max: 2 },
  options: [
    OUTPUT_OPTION,
    {
      name: 'replaces',
      value: 'TAG|DIGEST',
      repeated: true,
      summary: 'with announce: a tag or digest of the repository that the image replaces',
    },
    { name: 'unused', summary: 'also images that no container runs: at rest on a node, or ended within 26 h' },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll images', meaning: 'the images that run, the worst first' },
    { line: 'plimsoll images --unused', meaning: 'also those that only lie on the nodes' },
    { line: 'plimsoll images show shop/web:1.4', meaning: 'the vulnerabilities of one image' },
    { line: 'plimsoll images show 3f2a9c81 -o json', meaning: 'with packages, upgrades and containers' },
  ],
  run: async (context) => {
    if (context.args.operands[0] === 'announce') return announce(context);
    if (context.args.has('replaces')) return printError(context, '--replaces is for: plimsoll images announce');
    return runListOrShow(context, { command: 'images', operand: 'an image', list, show });
  },
});

async function announce(context: Context): Promise<number> {
  const { args, settings, stdout } = context;
  const [, image] = args.operands;
  if (image === undefined)
    return printError(context, 'announce needs an image with its digest', 'see: plimsoll images --help');
  const client = await connect(settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const body = { image, replaces: args.values('replaces') };
  const answer = await client.value.post('/v1/images/announcements', announcement, { body });
  if (!answer.ok) return printFailure(context, answer.problem);
  const { reference, replaces } = answer.value;
  const what = replaces.length === 0 ? 'images of its tag' : replaces.join(', ');
  await stdout.write(
    args.value('output') === 'json'
      ? `${JSON.stringify(answer.value, undefined, 2)}\n`
      : `${safe(reference)} replaces ${safe(what)}\n`,
  );
  return EXIT_OK;
}

const PAGE = 1000;

async function readImages(client: CliClient, unused: boolean) {
  const all: ImageSummary[] = [];
  for (let cursor = '0'; ;) {
    const path = `/v1/images?limit=${String(PAGE)}&cursor=${encodeURIComponent(cursor)}${unused ? '&unused=true' : ''}`;
    const answer = await client.get(path, imageList);
    if (!answer.ok) return answer;
    all.push(...answer.value.images);
    if (answer.value.cursor === null) return { ok: true, value: { ...answer.value, images: all } } as const;
    cursor = answer.value.cursor;
  }
}

async function list(context: Context, client: CliClient): Promise<number> {
  const answer = await readImages(client, context.args.has('unused'));
  if (!answer.ok) return printFailure(context, answer.problem);
  const { images: items, database, notListed } = answer.value;
  await warnOfDatabase(context, database);
  await printListing(context, {
    document: { database, notListed, images: items },
    items,
    names: items.map(({ id }) => id),
    columns: [
      { title: 'IMAGE', min: 16 },
      { title: 'STATE' },
      { title: 'RISK', align: 'right' },
      { title: 'CRITICAL', align: 'right' },
      { title: 'HIGH', align: 'right' },
      { title: 'FIXABLE', align: 'right', wide: true },
      { title: 'EXPLOITED', align: 'right' },
      { title: 'CONTAINERS', align: 'right' },
      { title: 'NODES', align: 'right', wide: true },
      { title: 'AT REST', align: 'right', wide: true },
      { title: 'PACKAGES', align: 'right', wide: true },
      { title: 'DISTRIBUTION', wide: true },
      { title: 'ID', wide: true },
      { title: 'WHY NOT COMPLETE', wide: true },
    ],
    rows: items.map((item) => [
      { text: item.names[0] ?? shortId(item.id), paint: context.paint.bold },
      { text: item.state, paint: item.state === 'complete' ? context.paint.good : context.paint.bad },
      isJudged(item) ? riskCell(item.maxRisk) : NOT_KNOWN,
      countCell(item, item.counts.critical),
      countCell(item, item.counts.high),
      countCell(item, item.counts.fixable),
      countCell(item, item.counts.exploited),
      { text: useOf(item), value: item.containers },
      { text: String(item.nodes) },
      { text: String(item.atRest) },
      { text: String(item.packages) },
      { text: item.distribution },
      { text: item.id },
      { text: item.reason },
    ]),
    empty: 'No running container uses an image that the collector knows.',
  });
  if (notListed > 0 && isTable(context))
    await context.stderr.write(
      `plimsoll: ${String(notListed)} further images do not run; see: plimsoll images --unused\n`,
    );
  return EXIT_OK;
}

/** How many containers run an image; where none does, whether a node still has it. */
function useOf({ containers, atRest }: ImageSummary): string {
  if (containers > 0) return String(containers);
  return atRest > 0 ? 'at rest' : 'ended';
}

const NOT_KNOWN: Cell = { text: '-' };

/** Whether vulnerabilities of the image could be found; where not, that none is counted means nothing. */
function isJudged({ state, counts }: ImageSummary): boolean {
  const { critical, high, medium, low, other } = counts;
  return state === 'complete' || state === 'partial' || critical + high + medium + low + other > 0;
}

function countCell(image: ImageSummary, count: number): Cell {
  return isJudged(image) ? { text: String(count) } : NOT_KNOWN;
}

async function show(context: Context, client: CliClient, word: string): Promise<number> {
  const all = await readImages(client, true);
  if (!all.ok) return printFailure(context, all.problem);
  const digits = word.replace(/^sha256:/, '');
  const found = all.value.images.filter(
    ({ id, names }) => id === word || names.includes(word) || (digits.length >= 4 && shortIdStarts(id, digits)),
  );
  const [image, ...others] = found;
  if (image === undefined) return printError(context, `no image ${safe(word)}`, 'see: plimsoll images');
  if (others.length > 0)
    return printError(
      context,
      `${String(found.length)} images are called ${safe(word)}`,
      `use the id: ${found.map(({ id }) => shortId(id)).join(', ')}`,
    );
  const answer = await client.get(`/v1/images/${encodeURIComponent(image.id)}`, imageDetail);
  if (!answer.ok) return printFailure(context, answer.problem);
  await warnOfDatabase(context, answer.value.database);
  await printImage(context, answer.value);
  return EXIT_OK;
}

function shortIdStarts(id: string, digits: string): boolean {
  return id.replace(/^sha256:/, '').startsWith(digits);
}

async function printImage(context: Context, detail: ImageDetail): Promise<void> {
  const { vulnerabilities: items } = detail;
  if (detail.reason !== '')
    await context.stderr.write(`plimsoll: the image is not completely known: ${safe(detail.reason)}\n`);
  await printListing(context, {
    document: detail,
    items,
    names: items.map(({ id }) => id),
    columns: VULNERABILITY_COLUMNS,
    rows: items.map((item) => vulnerabilityRow(item, context)),
    empty: detail.state === 'complete' ? 'No known vulnerability.' : 'No vulnerability is known, see above.',
  });
  await printVerdicts(context, detail);
}

/** Prints tags that have moved, and what the image policies of the collector say, below the table of vulnerabilities. */
async function printVerdicts(context: Context, { verdicts, tags, id }: ImageDetail): Promise<void> {
  if (!isTable(context)) return;
  for (const { reference, state, digest } of tags)
    if (state === 'moved' || state === 'gone')
      await context.stdout.write(
        `\nThe tag ${safe(reference)} ${state === 'gone' ? 'is not in its registry any more' : `names another image now: ${safe(digest ?? '')}`}.\n`,
      );
  const general = verdicts.find(({ digests }) => digests.includes(id))?.policies ?? [];
  const special = verdicts.flatMap((one) => one.policies.filter(({ repository }) => repository !== null));
  // The same manifest can be known by several digests.
  const policies = [
    ...new Map([...general, ...special].map((one) => [`${one.policy} ${one.repository ?? ''}`, one])).values(),
  ].sort((one, other) => (one.policy < other.policy ? -1 : one.policy > other.policy ? 1 : 0));
  const hasSpecial = new Set(special.map(({ policy }) => policy));
  if (policies.length === 0) return;
  const columns = [{ title: 'POLICY' }, { title: 'FOR' }, { title: 'OUTCOME' }, { title: 'WHY', min: 16 }];
  const rows = policies.map((verdict) => [
    { text: verdict.policy },
    { text: verdict.repository ?? (hasSpecial.has(verdict.policy) ? 'other repositories' : 'every repository') },
    outcomeCell(verdict.outcome, context),
    { text: reasonSummary(verdict) },
  ]);
  const width = context.args.value('output') === 'wide' ? Infinity : context.tableWidth;
  await context.stdout.write(`\n${renderTable(columns, rows, width).join('\n')}\n`);
  const suppressions = new Set(policies.flatMap((verdict) => verdict.suppressions.map(suppressionLine)));
  if (suppressions.size > 0) await context.stdout.write(`\nSuppressed:\n${[...suppressions].join('')}`);
}

function suppressionLine({ vulnerability, package: name, reason, source, expiresMs }: Suppression): string {
  const end = expiresMs === null ? '' : `, until ${new Date(expiresMs - 1).toISOString().slice(0, 10)}`;
  return `  ${safe(`${vulnerability} in ${name}: ${reason} [${source}]${end}`)}\n`;
}
