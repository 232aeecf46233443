import { z } from 'zod';
import { BENCHMARKS, findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

const count = z.int().min(0);

/** GET /v1/benchmarks */
export const listBenchmarks = jsonRoute({
  method: 'GET',
  path: '/v1/benchmarks',
  operation: 'listBenchmarks',
  summary: 'All benchmarks',
  description: 'The published benchmarks that checks are mapped to, and how much of each is answered.',
  refuses: [],
  answer: z.strictObject({
    benchmarks: z.array(
      z.strictObject({
        id: z.string(),
        title: z.string(),
        controls: count.describe('controls of the benchmark'),
        answered: count.describe('controls that checks answer'),
      }),
    ),
  }),
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
  params: z.strictObject({ benchmark: z.string().min(1).max(128).describe('`cis-docker-1.8.0`') }),
  answer: z.strictObject({
    id: z.string(),
    title: z.string(),
    controls: z.array(
      z.strictObject({
        id: z.string(),
        title: z.string(),
        level: z.int(),
        checks: z.array(z.string()).describe('all of them must pass'),
        why: z.string().optional().describe('why no check answers it'),
      }),
    ),
  }),
  handle: ({ params }) => {
    const benchmark = findBenchmark(params.benchmark);
    if (benchmark === undefined)
      return refuse(
        'notFound',
        `there is no benchmark ${JSON.stringify(params.benchmark)}`,
        'GET /v1/benchmarks lists them',
      );
    const controls = benchmark.controls.map(({ id, title, level, checks, why }) => {
      const control = { id, title, level, checks: [...checks] };
      return why === undefined ? control : { ...control, why };
    });
    return answer({ id: benchmark.id, title: benchmark.title, controls });
  },
});
