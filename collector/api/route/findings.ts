import { findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../../../posture/benchmark/benchmark.ts';
import {
  FINDING_STATES,
  findingGroups,
  findingPage,
  GROUP_BY,
  historyPage,
  subjectKind,
} from '../../../api/finding.ts';
import { severity, verdict } from '../../../api/part.ts';
import * as s from '../../../posture/schema.ts';
import type { FindingFilter, HistoryFilter } from '../../store/store.ts';
import { groupFindings } from '../group-findings.ts';
import { presentFinding } from '../present.ts';
import { flag, numeric, repeated, text } from '../parameter.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { ApiResult, ApiSources } from '../route.ts';
import { findNodes } from './nodes.ts';

/** Findings or entries in one page: what is asked for where nothing is said, and the most that can be. */
const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 10_000;
const DEFAULT_GROUPS = 200;
const MAX_GROUPS = 1000;

const word = (doc: string): s.Schema<string> => text(doc, 4096);
const severalWords = (doc: string): s.Schema<readonly string[] | null> => repeated(word(''), doc, 100);
const page = {
  limit: s.withDefault(numeric('entries in one page', 1, MAX_LIMIT), DEFAULT_LIMIT),
  cursor: s.nullable(text('`cursor` of the page before', 1024)),
};

const filterFields = {
  node: severalWords('id or name of a node'),
  check: severalWords('check id'),
  benchmark: s.nullable(word('id of a benchmark: findings of the checks that its controls name')),
  control: severalWords('number of a control of `benchmark`'),
  verdict: repeated(verdict, '', 5),
  severity: repeated(severity, '', 5),
  state: s.nullable(s.oneOf(FINDING_STATES, 'waived: a waiver accepts it; open: none does')),
  waiver: severalWords('name of a waiver that accepts the finding'),
  kind: repeated(subjectKind, 'kind of subject', 6),
  subject: s.nullable(word('id or name of the subject, exactly')),
  text: s.nullable(text('words, each contained in check, title, subject, reason or evidence', 256)),
};
const filterFieldsSchema = s.object(filterFields);

/** The filter of the store for these parameters, without a limit. */
async function filterOf(
  { store, benchmarks }: Pick<ApiSources, 'store' | 'benchmarks'>,
  query: s.Infer<typeof filterFieldsSchema>,
): Promise<ApiResult<Omit<FindingFilter, 'limit'>>> {
  const nodes = await findNodes(store, query.node ?? []);
  if (!nodes.ok) return nodes;
  const checks = checksOf(query, benchmarks);
  if (!checks.ok) return checks;
  return answer({
    ...(query.node === null ? {} : { nodes: nodes.body.map((node) => node.id) }),
    ...(checks.body === undefined ? {} : { checks: checks.body }),
    ...(query.verdict === null ? {} : { verdicts: query.verdict }),
    ...(query.severity === null ? {} : { severities: query.severity }),
    ...(query.state === null ? {} : { waived: query.state === 'waived' }),
    ...(query.waiver === null ? {} : { waivers: query.waiver, waived: query.state !== 'open' }),
    ...(query.kind === null ? {} : { subjectKinds: query.kind }),
    ...(query.subject === null ? {} : { subject: query.subject }),
    ...(query.text === null ? {} : { text: query.text }),
  });
}

/** The checks that are asked for; undefined: all. */
function checksOf(
  { check, benchmark, control }: s.Infer<typeof filterFieldsSchema>,
  benchmarks: readonly Benchmark[],
): ApiResult<readonly string[] | undefined> {
  if (benchmark === null)
    return control === null
      ? answer(check ?? undefined)
      : refuse('invalidRequest', 'query.control: is a number in a benchmark', 'add benchmark=ID');
  const found = findBenchmark(benchmark, benchmarks);
  if (found === undefined)
    return refuse(
      'invalidRequest',
      `query.benchmark: unknown benchmark ${JSON.stringify(benchmark)}`,
      'GET /v1/benchmarks lists them',
    );
  const unknown = control?.find((id) => !found.controls.some((one) => one.id === id));
  if (unknown !== undefined)
    return refuse(
      'invalidRequest',
      `query.control: ${benchmark} has no control ${JSON.stringify(unknown)}`,
      `GET /v1/benchmarks/${benchmark} lists them`,
    );
  const named = found.controls.filter(({ id }) => control?.includes(id) ?? true).flatMap(({ checks }) => checks);
  return answer(check === null ? named : named.filter((id) => check.includes(id)));
}

/** GET /v1/findings */
export const listFindings = jsonRoute({
  method: 'GET',
  path: '/v1/findings',
  operation: 'listFindings',
  summary: 'Findings, highest severity first',
  description: 'Parameters are combined; the values of one that is repeated are alternatives.',
  refuses: ['invalidRequest', 'unknownNode'],
  query: s.object({
    ...filterFields,
    ...page,
    total: s.nullable(flag('also count all that match')),
  }),
  answer: findingPage,
  handle: async ({ query }, { store, benchmarks, controlsOf }) => {
    const filter = await filterOf({ store, benchmarks }, query);
    if (!filter.ok) return filter;
    const { findings, cursor, total } = await store.findings({
      ...filter.body,
      limit: query.limit,
      ...(query.cursor === null ? {} : { cursor: query.cursor }),
      ...(query.total === null ? {} : { counted: query.total }),
    });
    return answer({
      findings: findings.map((finding) => presentFinding(finding, controlsOf)),
      cursor,
      total,
    });
  },
});

/** GET /v1/findings/groups */
export const listFindingGroups = jsonRoute({
  method: 'GET',
  path: '/v1/findings/groups',
  operation: 'listFindingGroups',
  summary: 'Findings counted by check, node, container or image',
  description:
    'Counts the findings that match, worst group first. `image` counts the findings of an image and of the containers ' +
    'that run it now, on all nodes; containers that do not run are in no group then.',
  refuses: ['invalidRequest', 'unknownNode'],
  query: s.object({
    by: s.oneOf(GROUP_BY, 'what the findings of a group have in common'),
    ...filterFields,
    limit: s.withDefault(numeric('most groups', 1, MAX_GROUPS), DEFAULT_GROUPS),
  }),
  answer: findingGroups,
  handle: async ({ query }, { store, benchmarks }) => {
    const filter = await filterOf({ store, benchmarks }, query);
    if (!filter.ok) return filter;
    return answer(await groupFindings(store, filter.body, { by: query.by, limit: query.limit }));
  },
});

/** GET /v1/history */
export const listHistory = jsonRoute({
  method: 'GET',
  path: '/v1/history',
  operation: 'listHistory',
  summary: 'History of findings, newest first',
  description: 'Opened, changed and resolved, as far back as the collector keeps it.',
  refuses: ['invalidRequest', 'unknownNode'],
  query: s.object({
    node: severalWords('id or name of a node'),
    finding: s.nullable(word('uid of a finding')),
    subject: s.nullable(word('id or name of the subject, exactly; only together with `node`')),
    since: s.nullable(numeric('milliseconds since 1970, UTC', 0)),
    ...page,
  }),
  answer: historyPage,
  handle: async ({ query }, { store }) => {
    if (query.subject !== null && query.node === null)
      return refuse('invalidRequest', 'query.subject: the history of a subject needs its node', 'add node=ID');
    const nodes = await findNodes(store, query.node ?? []);
    if (!nodes.ok) return nodes;
    const filter: HistoryFilter = {
      limit: query.limit,
      ...(query.node === null ? {} : { nodes: nodes.body.map((node) => node.id) }),
      ...(query.finding === null ? {} : { findingUid: query.finding }),
      ...(query.subject === null ? {} : { subject: query.subject }),
      ...(query.since === null ? {} : { sinceMs: query.since }),
      ...(query.cursor === null ? {} : { cursor: query.cursor }),
    };
    const { entries: found, cursor } = await store.history(filter);
    const entries = found.map(
      ({ position, atMs, action, cause, nodeId, findingUid, check, subjectKind, subjectName, waiver, ...status }) => ({
        position,
        atMs,
        action,
        cause,
        nodeId,
        findingUid,
        check,
        subjectKind,
        subjectName,
        verdict: status.verdict,
        severity: status.severity,
        waiver,
      }),
    );
    return answer({ entries, cursor });
  },
});
