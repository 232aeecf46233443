import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { factList } from '../../api/fact.ts';
import { queryAnswers } from '../../api/query.ts';
import type { RequestFailure } from '../../api/client.ts';
import { indexFacts } from '../completion/fact-index.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { useCell } from '../hook/use-cell.ts';
import { useDenial } from '../hook/use-denial.ts';
import { useLoad } from '../hook/use-load.ts';
import { CopyButton } from '../part/copy-button.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { queryHash } from '../route.ts';
import type { QueryPlace } from '../route.ts';
import { useServices } from '../services.ts';
import { counted } from '../../api/format.ts';
import { Answers } from './answers.tsx';
import { commandLine, DEFAULT_DEADLINE_MS } from './command-line.ts';
import { Editor } from './editor.tsx';
import { EXAMPLES } from './examples.ts';
import { NodeChooser } from './node-chooser.tsx';
import { PastQueries } from './past-queries.tsx';
import { withRecord } from './record.ts';
import type { QueryRecord } from './record.ts';

/** Bounds of an answer that a page can show; the collector may cap them further. */
const MAX_BYTES = 4 * 1024 * 1024;
const DEADLINES_MS: readonly number[] = [1000, 2000, DEFAULT_DEADLINE_MS, 10_000, 30_000];

/** A live query of nodes. The address holds the query, so that a link gives its answer of now. */
export function QueryView({ place }: { readonly place: QueryPlace }): JSX.Element {
  const { api, queries, announce, fleet } = useServices();
  const records = useCell(queries);
  const denial = useDenial('askNodes');
  const [expression, setExpression] = useState(
    place.expression === '' ? (records[0]?.expression ?? '') : place.expression,
  );
  const [nodes, setNodes] = useState<readonly string[]>(place.nodes);
  const [deadlineMs, setDeadlineMs] = useState(place.deadlineMs ?? DEFAULT_DEADLINE_MS);
  const [shown, setShown] = useState<QueryRecord | undefined>(undefined);
  const [problem, setProblem] = useState<RequestFailure | undefined>(undefined);
  const running = useRef<AbortController>(undefined);
  const own = useRef('');
  const [isRunning, setRunning] = useState(false);
  const facts = useLoad('facts', (signal) => api.get('/v1/facts', factList, signal));
  const index = useMemo(() => indexFacts(facts.value?.facts ?? []), [facts.value]);
  useEffect(() => () => running.current?.abort(), []);

  const run = async (
    asked: string,
    from: Pick<QueryPlace, 'nodes' | 'deadlineMs'> = { nodes, deadlineMs },
  ): Promise<void> => {
    if (asked.trim() === '') return;
    const { nodes, deadlineMs = DEFAULT_DEADLINE_MS } = from;
    const hash = queryHash({
      expression: asked,
      nodes,
      deadlineMs: deadlineMs === DEFAULT_DEADLINE_MS ? undefined : deadlineMs,
      isRun: true,
    });
    own.current = hash;
    replaceHash(hash);
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setRunning(true);
    setProblem(undefined);
    const started = performance.now();
    const body = { expression: asked, nodes, deadlineMs, maxBytes: MAX_BYTES };
    const result = await api.post('/v1/query', queryAnswers, {
      body,
      patienceMs: deadlineMs,
      signal: controller.signal,
    });
    if (controller.signal.aborted) return;
    setRunning(false);
    if (!result.ok) {
      setProblem(result.problem);
      return;
    }
    const { answers } = result.value;
    const tookMs = Math.round(performance.now() - started);
    const record = { expression: asked, nodes, deadlineMs, atMs: Date.now(), tookMs, answers };
    queries.set(withRecord(queries.get(), record));
    setShown(record);
    const good = answers.filter(({ outcome }) => outcome === 'ok').length;
    announce(`${counted(good, 'node')} answered of ${String(answers.length)}`);
  };
  const hash = queryHash(place);
  useEffect(() => {
    // The address that this view wrote itself.
    if (own.current === hash) return;
    own.current = hash;
    if (place.expression !== '') {
      setExpression(place.expression);
      setNodes(place.nodes);
      setDeadlineMs(place.deadlineMs ?? DEFAULT_DEADLINE_MS);
    }
    if (place.isRun) void run(place.expression, place);
  }, [hash]);
  const cancel = (): void => {
    running.current?.abort();
    setRunning(false);
  };
  const names = nodes.map((id) => fleet.get().nodes.find((node) => node.id === id)?.name ?? id);
  return (
    <>
      <h1 tabIndex={-1}>Live query</h1>
      <p class="muted">
        A CEL expression over the facts of a node, answered by the nodes themselves as they are now. Nothing is stored.
      </p>
      <div class="query-grid">
        <div class="query-main">
          <Editor value={expression} index={index} onValue={setExpression} onRun={(text) => void run(text)} />
          <div class="query-tools">
            <button
              type="button"
              class="button button-primary"
              disabled={isRunning || expression.trim() === '' || denial !== undefined}
              onClick={() => void run(expression)}
            >
              Run <kbd>Ctrl Enter</kbd>
            </button>
            {isRunning ? (
              <button type="button" class="button" onClick={cancel}>
                Cancel
              </button>
            ) : null}
            <label class="filter-select">
              Deadline
              <select value={String(deadlineMs)} onChange={(event) => setDeadlineMs(Number(event.currentTarget.value))}>
                {[...new Set([...DEADLINES_MS, deadlineMs])].map((ms) => (
                  <option key={ms} value={String(ms)}>
                    {ms / 1000} s
                  </option>
                ))}
              </select>
            </label>
            <NodeChooser chosen={nodes} onChosen={setNodes} />
            <CopyButton text={() => commandLine(expression, names, deadlineMs)}>Copy as a command</CopyButton>
          </div>
          {denial === undefined ? null : <EmptyNote>{denial}</EmptyNote>}
          {facts.problem === undefined ? null : (
            <EmptyNote>
              The names of the facts could not be read, so none are suggested: {facts.problem.message}
            </EmptyNote>
          )}
          <div aria-busy={isRunning}>
            {problem === undefined ? null : <ProblemNote problem={problem} />}
            {isRunning ? <LoadingNote what="the answers" /> : null}
            {shown === undefined || isRunning ? null : <Answers record={shown} />}
          </div>
        </div>
        <aside class="query-aside" aria-label="Examples and history">
          <h2>Examples</h2>
          <ul class="examples">
            {EXAMPLES.map((example) => (
              <li key={example.title}>
                <button type="button" onClick={() => setExpression(example.expression)}>
                  <span>{example.title}</span>
                  <code>{example.expression}</code>
                </button>
              </li>
            ))}
          </ul>
          <PastQueries records={records} onChoose={setExpression} />
        </aside>
      </div>
    </>
  );
}
