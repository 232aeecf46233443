import type { JSX } from 'preact';
import { benchmarkList } from '../../api/check.ts';
import { count } from '../../api/format.ts';
import { CheckSections } from '../check/check-sections.tsx';
import { useLoad } from '../hook/use-load.ts';
import { DataTable } from '../part/data-table.tsx';
import { LoadingNote, ProblemNote } from '../part/note.tsx';
import { benchmarkHash } from '../route.ts';
import { useServices } from '../services.ts';

/** The published benchmarks that checks are mapped to. */
export function BenchmarksView(): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad('benchmarks', (signal) =>
    api.get('/v1/benchmarks', benchmarkList, signal),
  );
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Benchmarks</h1>
      </div>
      <CheckSections current="Benchmarks" />
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the benchmarks" /> : null}
      {value === undefined ? null : (
        <section class="card" aria-label="Benchmarks">
          <DataTable
            label="Benchmarks"
            columns={['Benchmark', 'Controls', 'With checks']}
            rows={value.benchmarks.map(({ id, title, controls, answered }) => ({
              key: id,
              cells: [<a href={benchmarkHash(id)}>{title}</a>, count(controls), count(answered)],
            }))}
          />
        </section>
      )}
    </>
  );
}
