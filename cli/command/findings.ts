import type { FleetFinding } from '../../api/finding.ts';
import { safeJson } from '../../api/safe.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { SEVERITIES, severityRank, VERDICTS } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';
import { parseDuration } from '../../service/duration.ts';
import { connect } from '../api/connect.ts';
import { readFindings } from '../api/findings.ts';
import type { FindingQuery } from '../api/findings.ts';
import { defineCommand, EXIT_FINDINGS, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import type { ShownFinding } from '../render/finding.ts';
import { renderFindings } from '../render/finding-list.ts';
import { nodeLabel } from '../render/node-label.ts';
import { unknownCheck } from '../scan/known.ts';

/** Findings that are read where nothing is said. */
const DEFAULT_LIMIT = 1_000;
const MAX_LIMIT = 100_000;

export const findings = defineCommand({
  name: 'findings',
  summary: 'list the findings of the fleet, or watch them change',
  usage: ['findings [options]', 'findings --watch [options]', 'findings --history [options]'],
  description: [
    'Asks the collector for findings, worst first. Without --verdict a table shows what fails, JSON shows all. Options are combined; the values of one that is repeated are alternatives.',
    'With --watch nothing is listed: each change that matches is printed as it happens, until Ctrl-C. A connection that breaks is made again without losing a change.',
    'With --history the collector tells what was opened, changed and resolved, newest first; of the options that choose, only --node and --since count there.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    { name: 'node', value: 'NODE', repeated: true, summary: 'findings of this node, by name or id' },
    {
      name: 'check',
      value: 'CHECK',
      repeated: true,
      completes: 'check',
      summary: 'findings of this check, or of an area such as ssh',
    },
    { name: 'verdict', value: 'VERDICT', choices: VERDICTS, repeated: true, summary: 'findings with this verdict' },
    { name: 'severity', value: 'SEVERITY', choices: SEVERITIES, repeated: true, summary: 'findings of this severity' },
    {
      name: 'kind',
      value: 'KIND',
      choices: SUBJECT_KINDS,
      repeated: true,
      summary: 'findings about this kind of subject',
    },
    { name: 'subject', value: 'NAME', summary: 'findings about the subject with this name or id' },
    {
      name: 'text',
      value: 'TEXT',
      summary: 'findings with each of these words in check, title, subject, reason or evidence',
    },
    { name: 'limit', value: 'NUMBER', summary: `at most so many; default ${String(DEFAULT_LIMIT)}` },
    {
      name: 'fail-on',
      value: 'SEVERITY',
      choices: SEVERITIES,
      summary: 'exit with 1 if something that matches fails as badly as this, or worse',
    },
    { name: 'watch', summary: 'print changes as they happen' },
    { name: 'history', summary: 'list what happened, newest first' },
    { name: 'since', value: 'DURATION', summary: 'with --history: only what happened within this time, such as 24h' },
    OUTPUT_OPTION,
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll findings --severity critical,high', meaning: 'the worst of the fleet' },
    { line: 'plimsoll findings --node web-3 --verdict unknown', meaning: 'what could not be judged on one node' },
    { line: 'plimsoll findings --watch --output ndjson', meaning: 'a stream of changes for a program' },
    { line: 'plimsoll findings --history --since 24h', meaning: 'what changed since yesterday' },
  ],
  run: async (context) => {
    const wanted = readQuery(context);
    if (!wanted.ok) return printError(context, wanted.problem, 'see: plimsoll findings --help');
    const { args } = context;
    const signal = args.has('watch') ? context.listenForShutdown() : new AbortController().signal;
    const client = await connect(context.settings, signal);
    if (!client.ok) return printFailure(context, client.problem);
    if (args.has('watch')) {
      const { watchFindings } = await import('../watch/findings.ts');
      return watchFindings(context, client.value, wanted.query, signal);
    }
    if (args.has('history')) {
      const { printHistory } = await import('../watch/history.ts');
      return printHistory(context, client.value, wanted);
    }
    const page = await readFindings(client.value, wanted.query, wanted.limit);
    if (!page.ok) return printFailure(context, page.problem);
    await print(context, page.value.findings, page.value.more);
    const threshold = args.value('fail-on') as Severity | undefined;
    return threshold !== undefined && page.value.findings.some((finding) => reaches(finding, threshold))
      ? EXIT_FINDINGS
      : EXIT_OK;
  },
});

type Wanted =
  | { readonly ok: true; readonly query: FindingQuery; readonly limit: number; readonly sinceMs: number | undefined }
  | { readonly ok: false; readonly problem: string };

function readQuery({ args, clock }: Context): Wanted {
  if (args.has('watch') && args.has('history'))
    return { ok: false, problem: '--watch and --history exclude each other' };
  const since = args.value('since');
  const sinceMs = since === undefined ? 0 : parseDuration(since);
  if (sinceMs === undefined) return { ok: false, problem: '--since: expected a duration such as 30m or 24h' };
  const limitText = args.value('limit') ?? String(DEFAULT_LIMIT);
  const limit = /^\d{1,6}$/.test(limitText) ? Number(limitText) : 0;
  if (limit < 1 || limit > MAX_LIMIT)
    return { ok: false, problem: `--limit: expected a number from 1 to ${String(MAX_LIMIT)}` };
  for (const check of args.values('check')) {
    const problem = unknownCheck(check);
    if (problem !== undefined) return { ok: false, problem };
  }
  const verdicts = args.values('verdict');
  const isTable = (args.value('output') ?? 'table') === 'table';
  const preset = isTable && !args.has('watch') ? ['fail'] : [];
  return {
    ok: true,
    limit,
    sinceMs: since === undefined ? undefined : Math.max(0, clock.now() - sinceMs),
    query: {
      nodes: args.values('node'),
      checks: args.values('check'),
      verdicts: verdicts.length > 0 ? verdicts : preset,
      severities: args.values('severity'),
      kinds: args.values('kind'),
      subject: args.value('subject'),
      text: args.value('text'),
    },
  };
}

function reaches({ verdict, severity }: FleetFinding, threshold: Severity): boolean {
  return verdict === 'fail' && severityRank(severity) <= severityRank(threshold);
}

async function print(context: Context, found: readonly FleetFinding[], more: boolean): Promise<void> {
  const { args, stdout, stderr, width, paint } = context;
  const isTable = (args.value('output') ?? 'table') === 'table';
  if (isTable) {
    const nodes = new Map<ShownFinding, string>(
      found.map((finding) => [finding, nodeLabel(finding.nodeName, finding.nodeId)]),
    );
    const several = new Set(nodes.values()).size > 1;
    const style = { width, paint, joined: false };
    const lines = renderFindings(found, several ? { ...style, nodeOf: (one) => nodes.get(one) ?? '' } : style);
    await stdout.write(`${found.length === 0 ? 'No such finding.' : lines.join('\n')}\n`);
  } else if (args.value('output') === 'json') await stdout.write(`${safeJson({ findings: found, more }, 2)}\n`);
  else await stdout.write(found.map((finding) => `${safeJson(finding)}\n`).join(''));
  if (more) await stderr.write('plimsoll: there are more; ask for them with --limit\n');
}
