import type { JSX } from 'preact';
import { benchmarkNodes, benchmarkResult, benchmarkTrend } from '../../api/compliance.ts';
import type { BenchmarkResultAnswer } from '../../api/compliance.ts';
import { count, counted } from '../../api/format.ts';
import { withQuery } from '../../api/client.ts';
import { CheckSections } from '../check/check-sections.tsx';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { VerdictTag, WaivedTag } from '../part/verdict-tag.tsx';
import { benchmarkHash, findingsHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';

/** The score is computed from all findings: not with each change. */
const RELOAD_MS = 60_000;

/** The results of the controls of a benchmark, over the fleet or on one node. */
export function BenchmarkView({
  benchmarkId,
  nodeId,
}: {
  readonly benchmarkId: string;
  /** Empty: the fleet. */
  readonly nodeId: string;
}): JSX.Element {
  const { api } = useServices();
  const path = `/v1/benchmarks/${encodeURIComponent(benchmarkId)}`;
  const node = nodeId === '' ? undefined : nodeId;
  const { value, problem, reload } = useLoad(
    `${benchmarkId} ${nodeId}`,
    (signal) => api.get(withQuery(`${path}/results`, { node }), benchmarkResult, signal),
    RELOAD_MS,
  );
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>{value?.title ?? 'Benchmark'}</h1>
        <p class="findings-count" role="status">
          {value === undefined ? '' : node === undefined ? `over ${counted(value.nodes, 'node')}` : ''}
          {node === undefined ? null : (
            <>
              on <UntrustedText text={node} /> · <a href={benchmarkHash(benchmarkId)}>the whole fleet</a>
            </>
          )}
        </p>
      </div>
      <CheckSections current="Benchmarks" />
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the results" /> : null}
      {value === undefined ? null : (
        <>
          <ScoreCard result={value} />
          <Card title="Controls">
            <ControlTable result={value} nodeId={nodeId} />
          </Card>
        </>
      )}
      {node === undefined ? <NodesCard path={path} benchmarkId={benchmarkId} /> : null}
      {node === undefined ? <TrendCard path={path} /> : null}
    </>
  );
}

function ScoreCard({ result: { score, counts, waived } }: { readonly result: BenchmarkResultAnswer }): JSX.Element {
  return (
    <Card title="Score">
      <p>
        <strong>{percentText(score)}</strong> {count(score.passed)} of {counted(score.counted, 'counted control')} pass.{' '}
        {count(counts.fail)} failed{waived === 0 ? '' : ` (${count(waived)} with waived failures only)`},{' '}
        {count(counts.unknown)} unknown, {count(counts.manual)} for manual review, {count(counts.notApplicable)} not
        applicable, {count(counts.notJudged)} not judged.
      </p>
      <p class="muted">
        What could not be read, and what a waiver accepts, counts as not met. Manual, not applicable and not judged
        controls do not count.
      </p>
    </Card>
  );
}

function ControlTable({
  result: { benchmark, controls },
  nodeId,
}: {
  readonly result: BenchmarkResultAnswer;
  readonly nodeId: string;
}): JSX.Element {
  const place = nodeId === '' ? {} : { nodes: [nodeId] };
  return (
    <DataTable
      label="Controls"
      columns={['Control', 'Result', 'What it asks for', 'Level', 'Failed', 'Waived', 'Of']}
      rows={controls.map(({ id, verdict, title, level, checks, findings, why, waived, onlyWaived }) => ({
        key: `${benchmark} ${id}`,
        cells: [
          id,
          <ControlTag verdict={verdict} onlyWaived={onlyWaived} />,
          why === null ? title : `${title} (${why})`,
          String(level),
          findings.fail === 0 ? (
            '0'
          ) : (
            <a href={findingsHash({ checks, verdicts: ['fail'], ...place })}>{count(findings.fail)}</a>
          ),
          waived === 0 ? '0' : <a href={findingsHash({ checks, state: 'waived', ...place })}>{count(waived)}</a>,
          count(Object.values(findings).reduce((sum, one) => sum + one, 0)),
        ],
      }))}
    />
  );
}

function ControlTag({
  verdict,
  onlyWaived,
}: Pick<BenchmarkResultAnswer['controls'][number], 'verdict' | 'onlyWaived'>): JSX.Element {
  if (verdict === 'notJudged') return <span class="muted">not judged</span>;
  return onlyWaived ? <WaivedTag /> : <VerdictTag verdict={verdict} />;
}

/** Nodes that the page lists; the CLI lists all. */
const NODES = 100;

function NodesCard({ path, benchmarkId }: { readonly path: string; readonly benchmarkId: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(`${path}/nodes`, (signal) =>
    api.get(withQuery(`${path}/nodes`, { limit: NODES }), benchmarkNodes, signal),
  );
  return (
    <Card title="Nodes">
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the nodes" /> : null}
      {value === undefined ? null : (
        <DataTable
          label="Score of each node"
          columns={['Node', 'Score', 'Passed', 'Failed', 'Waived', 'Unknown', 'Findings']}
          rows={value.nodes.map(({ id, name, score, counts, waived }) => ({
            key: id,
            cells: [
              <a href={benchmarkHash(benchmarkId, id)}>
                <UntrustedText text={name === '' ? id : name} />
              </a>,
              percentText(score),
              count(counts.pass),
              count(counts.fail),
              count(waived),
              count(counts.unknown),
              <a href={nodeHash(id)}>node</a>,
            ],
          }))}
        />
      )}
      {(value?.cursor ?? null) === null ? null : (
        <p class="muted">
          The first {count(NODES)} by name. All: <code>plimsoll compliance {benchmarkId} --by node</code>
        </p>
      )}
    </Card>
  );
}

function TrendCard({ path }: { readonly path: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(`${path}/trend`, (signal) =>
    api.get(`${path}/trend`, benchmarkTrend, signal),
  );
  return (
    <Card title="Score by day">
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value?.days.length === 0 ? (
        <EmptyNote>The first score is stored ten minutes after the start of the collector.</EmptyNote>
      ) : null}
      {value === undefined || value.days.length === 0 ? null : (
        <DataTable
          label="Score by day"
          columns={['Day', 'Score', 'Passed', 'Of', 'Waived', 'Nodes']}
          rows={value.days.toReversed().map(({ atMs, nodes, score, waived }) => ({
            key: String(atMs),
            cells: [
              new Date(atMs).toISOString().slice(0, 10),
              percentText(score),
              count(score.passed),
              count(score.counted),
              count(waived),
              count(nodes),
            ],
          }))}
        />
      )}
    </Card>
  );
}

function percentText({ percent }: BenchmarkResultAnswer['score']): string {
  return percent === null ? 'no score' : `${String(percent)} %`;
}
