import { z } from 'zod';
import type { FindingFilter, HistoryFilter } from '../../store/store.ts';
import { presentFinding } from '../present.ts';
import { answer, jsonRoute } from '../route.ts';
import { findingPageSchema, historyPageSchema, severitySchema, subjectKindSchema, verdictSchema } from '../schema.ts';
import { findNodes } from './nodes.ts';

/** Findings or entries in one page: what is asked for where nothing is said, and the most that can be. */
const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 10_000;

const word = z.string().min(1).max(4096);
const severalWords = (meaning: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  z.array(word).max(100).optional().describe(`${meaning}; may be repeated`);
const limit = z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT).describe('entries in one page');
const cursor = z.string().min(1).max(1024).optional().describe('`cursor` of the page before');

const findingQuery = z.strictObject({
  node: severalWords('id or name of a node'),
  check: severalWords('check id'),
  verdict: z.array(verdictSchema).max(5).optional().describe('may be repeated'),
  severity: z.array(severitySchema).max(5).optional().describe('may be repeated'),
  kind: z.array(subjectKindSchema).max(6).optional().describe('kind of subject; may be repeated'),
  subject: word.optional().describe('id or name of the subject, exactly'),
  text: z.string().min(1).max(256).optional().describe('found in check, title, subject, reason or evidence'),
  limit,
  cursor,
  total: z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .optional()
    .describe('also count all that match'),
});

/** GET /v1/findings */
export const listFindings = jsonRoute({
  method: 'GET',
  path: '/v1/findings',
  operation: 'listFindings',
  summary: 'Findings, worst first',
  description: 'Parameters are combined; the values of one that is repeated are alternatives.',
  refuses: ['invalidRequest', 'unknownNode'],
  query: findingQuery,
  answer: findingPageSchema,
  handle: async ({ query }, { store, controlsOf }) => {
    const nodes = await findNodes(store, query.node ?? []);
    if (!nodes.ok) return nodes;
    const filter: FindingFilter = {
      limit: query.limit,
      ...(query.node === undefined ? {} : { nodes: nodes.body.map((node) => node.id) }),
      ...(query.check === undefined ? {} : { checks: query.check }),
      ...(query.verdict === undefined ? {} : { verdicts: query.verdict }),
      ...(query.severity === undefined ? {} : { severities: query.severity }),
      ...(query.kind === undefined ? {} : { subjectKinds: query.kind }),
      ...(query.subject === undefined ? {} : { subject: query.subject }),
      ...(query.text === undefined ? {} : { text: query.text }),
      ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
      ...(query.total === undefined ? {} : { counted: query.total }),
    };
    const { findings, cursor, total } = await store.findings(filter);
    return answer({
      findings: findings.map((finding) => presentFinding(finding, controlsOf)),
      ...(cursor === undefined ? {} : { cursor }),
      ...(total === undefined ? {} : { total }),
    });
  },
});

const historyQuery = z.strictObject({
  node: severalWords('id or name of a node'),
  finding: word.optional().describe('uid of a finding'),
  since: z.coerce.number().int().min(0).optional().describe('milliseconds since 1970, UTC'),
  limit,
  cursor,
});

/** GET /v1/history */
export const listHistory = jsonRoute({
  method: 'GET',
  path: '/v1/history',
  operation: 'listHistory',
  summary: 'What happened to findings, newest first',
  description: 'Opened, changed and resolved, as far back as the collector keeps it.',
  refuses: ['invalidRequest', 'unknownNode'],
  query: historyQuery,
  answer: historyPageSchema,
  handle: async ({ query }, { store }) => {
    const nodes = await findNodes(store, query.node ?? []);
    if (!nodes.ok) return nodes;
    const filter: HistoryFilter = {
      limit: query.limit,
      ...(query.node === undefined ? {} : { nodes: nodes.body.map((node) => node.id) }),
      ...(query.finding === undefined ? {} : { findingUid: query.finding }),
      ...(query.since === undefined ? {} : { sinceMs: query.since }),
      ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
    };
    const page = await store.history(filter);
    const entries = page.entries.map(
      ({ position, atMs, action, cause, nodeId, findingUid, check, subjectKind, subjectName, verdict, severity }) => ({
        position,
        atMs,
        action,
        ...(cause === undefined ? {} : { cause }),
        nodeId,
        findingUid,
        check,
        subjectKind,
        subjectName,
        verdict,
        severity,
      }),
    );
    return answer(page.cursor === undefined ? { entries } : { entries, cursor: page.cursor });
  },
});
