import { benchmarkNodes, benchmarkResult, benchmarkTrend } from '../../api/compliance.ts';
import type { BenchmarkNodes, BenchmarkResultAnswer } from '../../api/compliance.ts';
import { withQuery } from '../../api/client.ts';
import type { Result } from '../../api/client.ts';
import { findBenchmark } from '../../posture/benchmark/benchmark.ts';
import type { Score } from '../../posture/benchmark/compliance.ts';
import { connect } from '../api/connect.ts';
import type { CliClient } from '../api/connect.ts';
import { defineCommand, EXIT_OK, nodeOption, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { resolveNodes } from '../nodes/choose.ts';
import { isTable, printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Cell, Column } from '../render/table.ts';
import { controlListing, scoreLine, subjectsOf } from '../report/control-listing.ts';
import type { ControlResults } from '../report/control-listing.ts';
import { unknownBenchmark } from '../scan/known.ts';

export const compliance = defineCommand({
  name: 'compliance',
  summary: 'show how far the fleet meets a benchmark',
  usage: ['compliance BENCHMARK [options]'],
  description: [
    'Asks the collector for the result of each control of a benchmark, over the fleet or on nodes, and for the score: the share of controls that pass, among those that pass, fail or are unknown. A control fails where one subject on one node fails, also if a waiver accepts that: its result is then shown as waived, and counts as failed.',
    'With --by node it prints the score of each node, with --trend the score of the fleet on each day.',
  ],
  operands: { min: 1, max: 1, completes: 'benchmark' },
  options: [
    { ...nodeOption('results on this node'), excludes: ['by', 'trend'] },
    {
      name: 'level',
      value: 'LEVEL',
      choices: ['1', '2', '3'],
      summary: 'only controls of this level; 2 includes 1, 3 both',
    },
    { name: 'by', value: 'WHAT', choices: ['control', 'node'], excludes: ['trend'], summary: 'default: control' },
    { name: 'trend', excludes: ['level'], summary: 'the score of the fleet on each of the last 90 days' },
    OUTPUT_OPTION,
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll compliance cis-docker-1.8.0', meaning: 'the result of each control over the fleet' },
    { line: 'plimsoll compliance cis-docker-1.8.0 --level 1 --by node', meaning: 'the score of each node' },
    { line: 'plimsoll findings --benchmark cis-docker-1.8.0 --control 5.5', meaning: 'what a control fails for' },
  ],
  run: async (context) => {
    const { args } = context;
    const [id = ''] = args.operands;
    const benchmark = findBenchmark(id);
    if (benchmark === undefined)
      return printError(context, unknownBenchmark(id) ?? 'unknown benchmark', 'see: plimsoll benchmarks');
    const connected = await connect(context.settings, new AbortController().signal);
    if (!connected.ok) return printFailure(context, connected.problem);
    const path = `/v1/benchmarks/${encodeURIComponent(benchmark.id)}`;
    if (args.has('trend')) return printTrend(context, connected.value, path);
    if (args.value('by') === 'node') return printNodes(context, connected.value, path);
    return printControls(context, connected.value, path);
  },
});

async function printControls(context: Context, client: CliClient, path: string): Promise<number> {
  const { args, stdout } = context;
  const nodes = await resolveNodes(client, args.values('node'));
  if (!nodes.ok) return printFailure(context, nodes.problem);
  const answer = await client.get(
    withQuery(`${path}/results`, { node: nodes.value, level: args.value('level') }),
    benchmarkResult,
  );
  if (!answer.ok) return printFailure(context, answer.problem);
  const results = resultsOf(answer.value);
  await printListing(context, controlListing(results, context.paint));
  if (isTable(context))
    await stdout.write(
      `\n${scoreLine(results)}\n${answer.value.nodes === 1 ? '1 node' : `${String(answer.value.nodes)} nodes`}\n`,
    );
  return EXIT_OK;
}

function resultsOf({ benchmark, title, score, counts, waived, controls }: BenchmarkResultAnswer): ControlResults {
  return {
    benchmark,
    title,
    score: scoreOf(score),
    counts,
    waived,
    controls: controls.map(({ id, title, level, verdict, checks, missing, findings, why, ...accepted }) => ({
      control: id,
      title,
      level,
      verdict,
      checks,
      ...subjectsOf(findings),
      waived: accepted.waived,
      onlyWaived: accepted.onlyWaived,
      missing,
      why: why ?? undefined,
    })),
  };
}

async function printNodes(context: Context, client: CliClient, path: string): Promise<number> {
  const nodes = await readNodes(client, path, context.args.value('level'));
  if (!nodes.ok) return printFailure(context, nodes.problem);
  const items = nodes.value;
  const number = (title: string): Column => ({ title, align: 'right' });
  await printListing(context, {
    document: { nodes: items },
    items,
    names: items.map(({ name, id }) => nodeLabel(name, id)),
    columns: [{ title: 'NODE', min: 16 }, ...['SCORE', 'PASSED', 'FAILED', 'WAIVED', 'UNKNOWN', 'MANUAL'].map(number)],
    rows: items.map(({ id, name, score, counts, waived }) => [
      { text: nodeLabel(name, id) },
      scoreCell(scoreOf(score)),
      countCell(counts.pass),
      countCell(counts.fail),
      countCell(waived),
      countCell(counts.unknown),
      countCell(counts.manual),
    ]),
    empty: 'No node.',
  });
  return EXIT_OK;
}

/** The score of every node, page by page. */
async function readNodes(
  client: CliClient,
  path: string,
  level: string | undefined,
): Promise<Result<BenchmarkNodes['nodes']>> {
  const nodes: BenchmarkNodes['nodes'][number][] = [];
  let cursor: string | null = null;
  do {
    const answer: Result<BenchmarkNodes> = await client.get(
      withQuery(`${path}/nodes`, { level, cursor: cursor ?? undefined }),
      benchmarkNodes,
    );
    if (!answer.ok) return answer;
    nodes.push(...answer.value.nodes);
    ({ cursor } = answer.value);
  } while (cursor !== null);
  return { ok: true, value: nodes };
}

async function printTrend(context: Context, client: CliClient, path: string): Promise<number> {
  const answer = await client.get(`${path}/trend`, benchmarkTrend);
  if (!answer.ok) return printFailure(context, answer.problem);
  const items = answer.value.days;
  const number = (title: string): Column => ({ title, align: 'right' });
  await printListing(context, {
    document: answer.value,
    items,
    names: items.map(({ atMs }) => dayOf(atMs)),
    columns: [{ title: 'DAY' }, ...['SCORE', 'PASSED', 'OF', 'WAIVED', 'NODES'].map(number)],
    rows: items.map(({ atMs, nodes, score, waived }) => [
      { text: dayOf(atMs) },
      scoreCell(scoreOf(score)),
      countCell(score.passed),
      countCell(score.counted),
      countCell(waived),
      countCell(nodes),
    ]),
    empty: 'No score yet: the first is computed ten minutes after the start of the collector.',
  });
  return EXIT_OK;
}

function scoreOf({ passed, counted, percent }: BenchmarkResultAnswer['score']): Score {
  return { passed, counted, percent };
}

function scoreCell({ percent }: Score): Cell {
  return percent === null ? { text: '' } : { text: `${String(percent)} %`, value: percent };
}

function countCell(count: number): Cell {
  return { text: String(count), value: count };
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
