import { benchmark, benchmarkList } from '../../../api/check.ts';
import * as s from '../../../posture/schema.ts';
import { text } from '../parameter.ts';
import { BENCHMARKS, findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

/** GET /v1/benchmarks */
export const listBenchmarks = jsonRoute({
  method: 'GET',
  path: '/v1/benchmarks',
  operation: 'listBenchmarks',
  summary: 'All benchmarks',
  description: 'The published benchmarks that checks are mapped to, and how much of each is answered.',
  refuses: [],
  answer: benchmarkList,
  handle: () =>
    answer({
      benchmarks: BENCHMARKS.map(({ id, title, controls }) => ({
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
  params: s.object({ benchmark: text('`cis-docker-1.8.0`', 128) }),
  answer: benchmark,
  handle: ({ params }) => {
    const found = findBenchmark(params.benchmark);
    if (found === undefined)
      return refuse(
        'notFound',
        `there is no benchmark ${JSON.stringify(params.benchmark)}`,
        'GET /v1/benchmarks lists them',
      );
    return answer({
      id: found.id,
      title: found.title,
      controls: found.controls.map(({ id, title, level, checks, why }) => ({ id, title, level, checks, why })),
    });
  },
});
