import { BENCHMARKS, findBenchmark } from '../../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../../posture/benchmark/benchmark.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { printError } from '../print-error.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { unknownBenchmark } from '../scan/known.ts';

export const benchmarks = defineCommand({
  name: 'benchmarks',
  summary: 'list benchmarks, or the controls of one',
  usage: ['benchmarks [list] [options]', 'benchmarks [show] ID [options]'],
  description: [
    'Lists the published benchmarks that checks are mapped to, and how many of their controls have checks. show lists the controls of one with the checks of each, or why a control has none.',
  ],
  operands: { min: 0, max: 2, completes: 'benchmarkAction' },
  options: [OUTPUT_OPTION],
  settings: ['client'],
  examples: [
    { line: 'plimsoll benchmarks', meaning: 'the benchmarks' },
    { line: 'plimsoll benchmarks show cis-docker-1.8.0', meaning: 'its controls' },
    { line: 'plimsoll scan --benchmark cis-docker-1.8.0', meaning: 'judge this machine by it' },
  ],
  run: async (context) => {
    const { operands } = context.args;
    const [id, ...rest] = operands[0] === 'show' ? operands.slice(1) : operands;
    if (rest.length > 0 || (id === undefined && operands.length > 0))
      return printError(context, 'show expects the id of one benchmark', 'see: plimsoll benchmarks');
    if (id === undefined || id === 'list') return listAll(context);
    const benchmark = findBenchmark(id);
    if (benchmark === undefined)
      return printError(context, unknownBenchmark(id) ?? 'unknown benchmark', 'see: plimsoll benchmarks');
    return listControls(context, benchmark);
  },
});

async function listAll(context: Context): Promise<number> {
  const items = BENCHMARKS.map(({ id, title, controls }) => ({
    id,
    title,
    controls: controls.length,
    answered: controls.filter(({ checks }) => checks.length > 0).length,
  }));
  await printListing(context, {
    document: { benchmarks: items },
    items,
    names: items.map(({ id }) => id),
    columns: [
      { title: 'BENCHMARK', min: 20 },
      { title: 'CONTROLS', align: 'right' },
      { title: 'ANSWERED', align: 'right' },
      { title: 'TITLE' },
    ],
    rows: items.map(({ id, title, controls, answered }) => [
      { text: id },
      { text: String(controls) },
      { text: String(answered) },
      { text: title },
    ]),
    empty: 'No benchmark.',
  });
  return EXIT_OK;
}

/** Where a person finds what they need to judge a control. */
function evidenceHint(paths: readonly string[] = []): string {
  return paths.length === 0 ? '' : ` Facts to look at: ${paths.join(', ')}.`;
}

async function listControls(context: Context, benchmark: Benchmark): Promise<number> {
  const { paint } = context;
  await printListing(context, {
    document: benchmark,
    items: benchmark.controls,
    names: benchmark.controls.map(({ id }) => id),
    columns: [{ title: 'CONTROL' }, { title: 'WHAT IT ASKS FOR' }, { title: 'ANSWERED BY', min: 24, max: 40 }],
    rows: benchmark.controls.map(({ id, title, checks, why, evidence }) => [
      { text: id },
      { text: title },
      checks.length > 0
        ? { text: checks.join(', ') }
        : { text: `not judged: ${why ?? ''}${evidenceHint(evidence)}`, paint: paint.dim },
    ]),
    empty: 'No control.',
  });
  return EXIT_OK;
}
