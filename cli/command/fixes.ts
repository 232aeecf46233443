import { fixList } from '../../api/image.ts';
import type { FixList } from '../../api/image.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { riskCell, shortId, warnOfDatabase } from '../images/cells.ts';
import { printListing } from '../output/listing.ts';
import { printFailure } from '../print-error.ts';
import type { Column } from '../render/table.ts';

export const fixes = defineCommand({
  name: 'fixes',
  summary: 'list the upgrades that remove the most risk',
  usage: ['fixes [options]'],
  description: [
    'Asks the collector which package to upgrade in which image: the upgrade that removes the most risk comes first. RISK is the sum of the risks of the vulnerabilities that it removes; the order multiplies it by the running containers of the image.',
  ],
  operands: { min: 0, max: 0 },
  options: [OUTPUT_OPTION],
  settings: ['client'],
  examples: [
    { line: 'plimsoll fixes', meaning: 'the 100 upgrades that remove the most risk' },
    { line: 'plimsoll fixes -o csv', meaning: 'for a spreadsheet' },
  ],
  run: async (context) => {
    const client = await connect(context.settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    const answer = await client.value.get('/v1/fixes', fixList);
    if (!answer.ok) return printFailure(context, answer.problem);
    await warnOfDatabase(context, answer.value.database);
    await printFixes(context, answer.value);
    return EXIT_OK;
  },
});

const COLUMNS: readonly Column[] = [
  { title: 'IMAGE', min: 10 },
  { title: 'PACKAGE' },
  // A version that is cut does not say what to upgrade.
  { title: 'INSTALLED', min: 18 },
  { title: 'UPGRADE TO', min: 18 },
  { title: 'REMOVES', align: 'right' },
  { title: 'EXPLOITED', align: 'right', wide: true },
  { title: 'RISK', align: 'right' },
  { title: 'CONTAINERS', align: 'right', wide: true },
];

/** Prints upgrades as a list. */
async function printFixes(context: Context, document: FixList): Promise<void> {
  const { fixes: items } = document;
  await printListing(context, {
    document,
    items,
    names: items.map((item) => item.package),
    columns: COLUMNS,
    rows: items.map((item) => [
      { text: item.imageName || shortId(item.imageId) },
      { text: item.package },
      { text: item.version },
      { text: item.fixedVersion },
      { text: String(item.vulnerabilities) },
      { text: String(item.exploited) },
      riskCell(item.totalRisk),
      { text: String(item.containers) },
    ]),
    empty: 'No upgrade is known that removes a vulnerability from a running container.',
  });
}
