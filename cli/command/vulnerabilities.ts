import { imageList, vulnerabilityDetail, vulnerabilityList } from '../../api/image.ts';
import type { DatabaseState, FleetVulnerability } from '../../api/image.ts';
import { counted } from '../../api/format.ts';
import type { CliClient } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { riskCell, severityCell, warnOfDatabase } from '../images/cells.ts';
import { runListOrShow } from '../images/list-or-show.ts';
import { printListing } from '../output/listing.ts';
import { printFailure } from '../print-error.ts';

export const vulnerabilities = defineCommand({
  name: 'vulnerabilities',
  summary: 'list the vulnerabilities of running containers',
  usage: ['vulnerabilities [list] [options]', 'vulnerabilities show ID [options]'],
  description: [
    'Lists the vulnerabilities of the packages in images that run, the highest risk first, with the number of containers that each affects.',
    'A vulnerability that VEX or a waiver suppresses for all affected packages is listed with --suppressed only. plimsoll status reports waivers that have expired or apply to nothing.',
    'show lists the running containers that one vulnerability affects, on all nodes. ID is a CVE or the id of an advisory. With -o json it also has the affected packages and images.',
  ],
  operands: { min: 0, max: 2 },
  options: [
    OUTPUT_OPTION,
    {
      name: 'severity',
      value: 'SEVERITY',
      repeated: true,
      choices: ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'],
      summary: 'list: only of this severity',
    },
    { name: 'exploited', summary: 'list: only those known to be exploited' },
    { name: 'fixable', summary: 'list: only those with a fix' },
    { name: 'suppressed', summary: 'list: those that VEX or a waiver suppresses, with the reason' },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll vulnerabilities --severity critical --fixable', meaning: 'what to fix first' },
    { line: 'plimsoll vulnerabilities --suppressed', meaning: 'what does not count, why and until when' },
    { line: 'plimsoll vulnerabilities show CVE-2026-1234', meaning: 'the containers that it affects' },
  ],
  run: (context) =>
    runListOrShow(context, { command: 'vulnerabilities', operand: 'the id of a vulnerability', list, show }),
});

/** Vulnerabilities that are listed at most. */
const MAX_LISTED = 1000;

async function list(context: Context, client: CliClient): Promise<number> {
  const query = new URLSearchParams({ limit: String(MAX_LISTED) });
  for (const severity of context.args.values('severity')) query.append('severity', severity);
  if (context.args.has('exploited')) query.set('exploited', 'true');
  if (context.args.has('fixable')) query.set('fixable', 'true');
  const isSuppressed = context.args.has('suppressed');
  query.set('suppressed', String(isSuppressed));
  const answer = await client.get(`/v1/vulnerabilities?${query.toString()}`, vulnerabilityList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const { vulnerabilities: items, database, cursor } = answer.value;
  await warnOfDatabase(context, database);
  const empty = items.length > 0 || isSuppressed ? '' : await describeNone(client);
  if (isSuppressed) await printSuppressed(context, { database, items });
  else
    await printListing(context, {
      document: { database, vulnerabilities: items },
      items,
      names: items.map(({ id }) => id),
      columns: [
        { title: 'VULNERABILITY', min: 14 },
        { title: 'SEVERITY' },
        { title: 'RISK', align: 'right' },
        { title: 'EXPLOITED' },
        { title: 'FIX' },
        { title: 'PACKAGES', min: 12 },
        { title: 'CONTAINERS', align: 'right' },
        { title: 'IMAGES', align: 'right', wide: true },
        { title: 'NODES', align: 'right', wide: true },
        { title: 'SUMMARY', wide: true },
      ],
      rows: items.map((item) => rowOf(item, context)),
      empty,
    });
  if (cursor !== null)
    await context.stderr.write(`plimsoll: only the ${String(MAX_LISTED)} of highest risk are listed\n`);
  return EXIT_OK;
}

/** What an empty list means: only of images that are complete does it say anything. */
async function describeNone(client: CliClient): Promise<string> {
  const none = 'No vulnerability of a running container is known.';
  const answer = await client.get('/v1/images?limit=1000', imageList);
  if (!answer.ok) return `${none} Whether every image could be judged is not known.`;
  const { images, cursor } = answer.value;
  const partial = images.filter(({ state }) => state !== 'complete').length;
  if (partial === 0) return none;
  const some = `${String(partial)}${cursor === null ? '' : ' or more'} of ${counted(images.length, 'image')}`;
  return `${none} This does not mean that there is none: ${some} could not be judged completely, see plimsoll images -o wide.`;
}

async function printSuppressed(
  context: Context,
  { database, items }: { readonly database: DatabaseState; readonly items: readonly FleetVulnerability[] },
): Promise<void> {
  const rows = items.flatMap((item) => item.suppressed.map((suppressed) => ({ item, suppressed })));
  await printListing(context, {
    document: { database, vulnerabilities: items },
    items,
    names: items.map(({ id }) => id),
    columns: [
      { title: 'VULNERABILITY', min: 14 },
      { title: 'SEVERITY' },
      { title: 'PACKAGE', min: 10 },
      { title: 'VERSION', wide: true },
      { title: 'BY' },
      { title: 'UNTIL' },
      { title: 'OWNER' },
      { title: 'REASON', min: 16 },
      { title: 'SOURCE', wide: true },
    ],
    rows: rows.map(({ item, suppressed }) => [
      { text: item.id },
      severityCell(item.severity, context),
      { text: suppressed.package },
      { text: suppressed.version },
      { text: suppressed.by },
      {
        text:
          suppressed.untilMs === null ? '-' : new Date(suppressed.untilMs).toISOString().slice(0, 16).replace('T', ' '),
      },
      { text: suppressed.owner ?? '-' },
      { text: suppressed.reason },
      { text: suppressed.source },
    ]),
    empty: 'No vulnerability of a running container is suppressed.',
  });
}

function rowOf(item: FleetVulnerability, context: Context) {
  return [
    { text: item.id },
    severityCell(item.severity, context),
    riskCell(item.risk),
    { text: item.exploited ? 'yes' : '-' },
    { text: item.fixable ? 'yes' : '-' },
    { text: item.packages.join(', ') },
    { text: String(item.containers) },
    { text: String(item.images) },
    { text: String(item.nodes) },
    { text: item.summary ?? '' },
  ];
}

async function show(context: Context, client: CliClient, id: string): Promise<number> {
  const answer = await client.get(`/v1/vulnerabilities/${encodeURIComponent(id)}`, vulnerabilityDetail);
  if (!answer.ok) return printFailure(context, answer.problem);
  const { containers: items } = answer.value;
  await printListing(context, {
    document: answer.value,
    items,
    names: items.map((item) => item.id),
    columns: [
      { title: 'NODE', min: 10 },
      { title: 'CONTAINER', min: 10 },
      { title: 'IMAGE', min: 16 },
      { title: 'ID', wide: true },
    ],
    rows: items.map((item) => [{ text: item.nodeName }, { text: item.name }, { text: item.image }, { text: item.id }]),
    empty: 'No running container is affected.',
  });
  return EXIT_OK;
}
