import type { JSX } from 'preact';
import { summary } from '../../api/node.ts';
import type { TrendRange } from '../fleet/trend.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { LoadingNote, ProblemNote } from '../part/note.tsx';
import { useServices } from '../services.ts';
import { ChangesCard } from './changes-card.tsx';
import { FleetCard } from './fleet-card.tsx';
import { LoadLine } from './load-line.tsx';
import { Totals } from './totals.tsx';
import { TrendCard } from './trend-card.tsx';
import { IssuesCard } from './issues-card.tsx';
import { WorstCard } from './worst-card.tsx';

/** Counts are read again at most so often while things change. */
const RELOAD_EVERY_MS = 1500;

/** The fleet at a glance. */
export function OverviewView({ range }: { readonly range: TrendRange }): JSX.Element {
  const { api } = useServices();
  const loaded = useLoad('summary', (signal) => api.get('/v1/summary', summary, signal));
  useReloadOn(
    ({ type }) => type === 'finding' || type === 'node' || type === 'nodeRemoved',
    loaded.reload,
    RELOAD_EVERY_MS,
  );
  const { value, problem } = loaded;
  return (
    <>
      {value === undefined ? <h1 tabIndex={-1}>Overview</h1> : <LoadLine summary={value} />}
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={loaded.reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the counts" /> : null}
      <IssuesCard />
      {value === undefined ? null : <Totals counts={value.counts} />}
      <div class="overview-grid">
        <TrendCard range={range} />
        <ChangesCard />
        <WorstCard />
        <FleetCard />
      </div>
    </>
  );
}
