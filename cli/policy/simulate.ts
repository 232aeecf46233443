import { outcomeLabel, reasonSummary, simulation } from '../../api/policy.ts';
import type { Simulation } from '../../api/policy.ts';
import { safe } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import { EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { shortId } from '../images/cells.ts';
import { printListing } from '../output/listing.ts';
import { printFailure } from '../print-error.ts';
import type { Cell } from '../render/table.ts';

const MAX_IMAGES = 10_000;

/** Prints what the policies of the collector decide about the images that run, and what enforcing each would do. */
export async function simulate(context: Context): Promise<number> {
  const client = await connect(context.settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const namespace = context.args.value('namespace');
  const query = namespace === undefined ? '' : `&namespace=${encodeURIComponent(namespace)}`;
  const answer = await client.value.get(`/v1/policies/simulation?limit=${String(MAX_IMAGES)}${query}`, simulation);
  if (!answer.ok) return printFailure(context, answer.problem);
  await print(context, answer.value);
  return EXIT_OK;
}

async function print(context: Context, document: Simulation): Promise<void> {
  const { images, policies, total } = document;
  await printListing(context, {
    document,
    items: images,
    names: images.map(({ name, id }) => name || id),
    columns: [
      { title: 'IMAGE', min: 16 },
      { title: 'OUTCOME' },
      { title: 'IF ENFORCED' },
      { title: 'CONTAINERS', align: 'right' },
      { title: 'POLICY' },
      { title: 'WHY', min: 16 },
      { title: 'ID', wide: true },
    ],
    rows: images.map((image) => [
      { text: image.name || shortId(image.id), paint: context.paint.bold },
      outcomeCell(image.outcome, context),
      outcomeCell(image.enforced, context),
      { text: String(image.containers), value: image.containers },
      { text: image.policies.join(', ') || 'none' },
      { text: reasonSummary(image) },
      { text: image.id },
    ]),
    empty: 'No container runs.',
  });
  const output = context.args.value('output') ?? 'table';
  if (output !== 'table' && output !== 'wide') return;
  const lines = policies.map(({ policy, mode, images: count, enforced: { allow, deny, couldNotTell } }) => {
    const name = policy === '' ? 'no policy applies' : safe(`${policy} (${mode})`);
    return `${name}: ${String(count)} ${count === 1 ? 'image' : 'images'}; if enforced, containers allowed ${String(allow)}, denied ${String(deny)}, could not tell ${String(couldNotTell)}\n`;
  });
  const rest = total - images.length;
  if (rest > 0) lines.push(`${String(rest)} more images are not shown\n`);
  await context.stdout.write(`\n${lines.join('')}`);
}

/** An outcome in words, painted by how bad it is. */
export function outcomeCell(outcome: string, { paint }: Pick<Context, 'paint'>): Cell {
  return {
    text: outcomeLabel(outcome),
    paint: outcome === 'allow' ? paint.good : paint.bad,
  };
}
