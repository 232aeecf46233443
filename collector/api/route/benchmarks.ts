import { benchmark, benchmarkList } from '../../../api/check.ts';
import { benchmarkNodes, benchmarkResult, benchmarkTrend } from '../../../api/compliance.ts';
import { findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../../../posture/benchmark/benchmark.ts';
import { countVerdicts, countWaived } from '../../../posture/benchmark/compliance.ts';
import * as s from '../../../posture/schema.ts';
import { fleetResult } from '../../compliance.ts';
import { numeric, repeated, text } from '../parameter.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { ApiResult } from '../route.ts';
import { findNodes } from './nodes.ts';

const params = s.object({ benchmark: text('`cis-docker-1.8.0`', 128) });
const level = s.nullable(numeric('only controls up to this level', 1, 9));
/** Nodes in one page: each is a query of its own. */
const MAX_NODES = 100;
const MAX_DAYS = 400;

/** GET /v1/benchmarks */
export const listBenchmarks = jsonRoute({
  method: 'GET',
  path: '/v1/benchmarks',
  operation: 'listBenchmarks',
  summary: 'All benchmarks',
  description: 'The published benchmarks that checks are mapped to, and how much of each is answered.',
  refuses: [],
  answer: benchmarkList,
  handle: (_input, { benchmarks }) =>
    answer({
      benchmarks: benchmarks.map(({ id, title, controls }) => ({
        id,
        title,
        controls: controls.length,
        answered: controls.filter(({ checks }) => checks.length > 0).length,
      })),
    }),
});

/** GET /v1/benchmarks/{benchmark} */
export const getBenchmark = jsonRoute({
  method: 'GET',
  path: '/v1/benchmarks/{benchmark}',
  operation: 'getBenchmark',
  summary: 'One benchmark',
  description: 'Every control with the checks that answer it, or why none does.',
  refuses: ['notFound', 'invalidRequest'],
  params,
  answer: benchmark,
  handle: ({ params }, { benchmarks }) => {
    const found = benchmarkOf(params.benchmark, benchmarks);
    if (!found.ok) return found;
    const { id, title, controls } = found.body;
    return answer({
      id,
      title,
      controls: controls.map(({ id, title, level, checks, why }) => ({ id, title, level, checks, why })),
    });
  },
});

/** GET /v1/benchmarks/{benchmark}/results */
export const getBenchmarkResults = jsonRoute({
  method: 'GET',
  path: '/v1/benchmarks/{benchmark}/results',
  operation: 'getBenchmarkResults',
  summary: 'Results of the controls of a benchmark',
  description:
    'Over the fleet, or on the nodes that are named. A control fails where one finding of its checks fails; otherwise it is ' +
    'unknown where one is unknown or a check has no finding; otherwise manual; otherwise it passes where one passes. A waiver changes no result.',
  refuses: ['notFound', 'invalidRequest', 'unknownNode'],
  params,
  query: s.object({ node: repeated(text('', 4096), 'id or name of a node', 100), level }),
  answer: benchmarkResult,
  handle: async ({ params, query }, { store, benchmarks, excluded }) => {
    const found = benchmarkOf(params.benchmark, benchmarks);
    if (!found.ok) return found;
    const nodes = await findNodes(store, query.node ?? []);
    if (!nodes.ok) return nodes;
    const chosen = query.node === null ? undefined : nodes.body.map(({ id }) => id);
    const result = await fleetResult(store, found.body, { level: query.level ?? undefined, excluded, nodes: chosen });
    return answer({
      benchmark: found.body.id,
      title: found.body.title,
      nodes: chosen?.length ?? (await store.nodes()).length,
      score: { ...result.score, percent: result.score.percent ?? undefined },
      counts: { ...result.counts },
      waived: result.waived,
      controls: result.controls.map(({ control, verdict, findings, missing, onlyWaived }) => ({
        id: control.id,
        title: control.title,
        level: control.level,
        verdict,
        checks: control.checks,
        missing,
        findings: { ...countVerdicts(findings) },
        waived: countWaived(findings),
        onlyWaived,
        why: control.why,
      })),
    });
  },
});

/** GET /v1/benchmarks/{benchmark}/nodes */
export const listBenchmarkNodes = jsonRoute({
  method: 'GET',
  path: '/v1/benchmarks/{benchmark}/nodes',
  operation: 'listBenchmarkNodes',
  summary: 'Score of a benchmark on each node',
  description: 'By name of the node.',
  refuses: ['notFound', 'invalidRequest'],
  params,
  query: s.object({
    level,
    limit: s.withDefault(numeric('nodes in one page', 1, MAX_NODES), MAX_NODES),
    cursor: s.nullable(text('`cursor` of the page before', 1024)),
  }),
  answer: benchmarkNodes,
  handle: async ({ params, query }, { store, benchmarks, excluded }) => {
    const found = benchmarkOf(params.benchmark, benchmarks);
    if (!found.ok) return found;
    const all = (await store.nodes())
      .map(({ id, name }) => ({ id, name, key: JSON.stringify([name, id]) }))
      .toSorted((one, other) => (one.key < other.key ? -1 : 1));
    const rest = query.cursor === null ? all : all.filter(({ key }) => key > (query.cursor ?? ''));
    const page = rest.slice(0, query.limit);
    const nodes = [];
    for (const { id, name } of page) {
      const { score, counts, waived } = await fleetResult(store, found.body, {
        level: query.level ?? undefined,
        excluded,
        nodes: [id],
      });
      nodes.push({ id, name, score: { ...score, percent: score.percent ?? undefined }, counts: { ...counts }, waived });
    }
    return answer({ nodes, cursor: rest.length > page.length ? page.at(-1)?.key : undefined });
  },
});

/** GET /v1/benchmarks/{benchmark}/trend */
export const getBenchmarkTrend = jsonRoute({
  method: 'GET',
  path: '/v1/benchmarks/{benchmark}/trend',
  operation: 'getBenchmarkTrend',
  summary: 'Score of a benchmark over the fleet, day by day',
  description: 'The last score of each day (UTC), oldest first. It is computed every hour.',
  refuses: ['notFound', 'invalidRequest'],
  params,
  query: s.object({ days: s.withDefault(numeric('days back', 1, MAX_DAYS), 90) }),
  answer: benchmarkTrend,
  handle: async ({ params, query }, { store, clock, benchmarks }) => {
    const found = benchmarkOf(params.benchmark, benchmarks);
    if (!found.ok) return found;
    const scores = await store.benchmarkScores(found.body.id, clock.now() - query.days * 86_400_000);
    return answer({
      days: scores.map(({ atMs, nodes, score, waived }) => ({
        atMs,
        nodes,
        waived,
        score: { ...score, percent: score.percent ?? undefined },
      })),
    });
  },
});

function benchmarkOf(id: string, benchmarks: readonly Benchmark[]): ApiResult<Benchmark> {
  const found = findBenchmark(id, benchmarks);
  return found === undefined
    ? refuse('notFound', `unknown benchmark ${JSON.stringify(id)}`, 'GET /v1/benchmarks lists them')
    : answer(found);
}
