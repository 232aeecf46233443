import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { trend as trendSchema } from '../../api/trend.ts';
import { PLOTTED, TREND_RANGES, trendSentence, zoomRange } from '../fleet/trend.ts';
import type { TrendRange } from '../fleet/trend.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { LoadingNote, ProblemNote } from '../part/note.tsx';
import { SeverityMark } from '../part/severity-tag.tsx';
import { overviewHash } from '../route.ts';
import { useServices } from '../services.ts';
import { SEVERITY_LABELS } from '../../api/labels.ts';
import { TrendPlot } from './trend-plot.tsx';
import { TrendTable } from './trend-table.tsx';

/** Points of the plot, and how often it is read again. */
const POINTS = 120;
const RELOAD_EVERY_MS = 5000;
const STEP_MS = 60_000;

/** Open failures over time: a plot that a drag of the mouse zooms into, or a table. The address holds the range. */
export function TrendCard({ range }: { readonly range: TrendRange }): JSX.Element {
  const { api } = useServices();
  const setRange = (next: TrendRange): void => void (location.hash = overviewHash(next));
  const [isTable, setTable] = useState(false);
  const loaded = useLoad(
    `trend ${range.id}`,
    (signal) => {
      // Without an end the collector answers up to now, to the millisecond; a past end would be the last whole minute.
      const query = new URLSearchParams({ points: String(POINTS) });
      query.set('fromMs', String((range.toMs ?? Date.now()) - range.durationMs));
      if (range.toMs !== undefined) query.set('toMs', String(range.toMs));
      return api.get(`/v1/trend?${query.toString()}`, trendSchema, signal);
    },
    STEP_MS,
  );
  useReloadOn(({ type }) => type === 'finding', loaded.reload, RELOAD_EVERY_MS);
  const { value, problem } = loaded;
  return (
    <Card className="card-trend" title="Open failures over time" aside={<Ranges range={range} onRange={setRange} />}>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={loaded.reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the history" /> : null}
      {value === undefined ? null : (
        <>
          <p class="trend-sentence">{trendSentence(value, range)}</p>
          {isTable ? (
            <TrendTable trend={value} range={range} />
          ) : (
            <TrendPlot trend={value} range={range} onZoom={setRange} />
          )}
          <div class="trend-foot">
            <ul class="legend" aria-label="Lines of the plot">
              {PLOTTED.map((severity) => (
                <li key={severity} class={`sev-${severity}`}>
                  <span class={`legend-line legend-${severity}`} aria-hidden="true" />
                  <SeverityMark severity={severity} /> {SEVERITY_LABELS[severity]}
                </li>
              ))}
            </ul>
            <button type="button" class="link" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
              Show as a table
            </button>
          </div>
        </>
      )}
    </Card>
  );
}

function Ranges({
  range,
  onRange,
}: {
  readonly range: TrendRange;
  readonly onRange: (range: TrendRange) => void;
}): JSX.Element {
  const { durationMs, toMs } = range;
  return (
    <div class="segments" role="group" aria-label="Time range">
      {TREND_RANGES.map((one) => (
        <button key={one.id} type="button" aria-pressed={one.id === range.id} onClick={() => onRange(one)}>
          {one.label}
        </button>
      ))}
      {toMs === undefined ? null : (
        <button type="button" onClick={() => onRange(zoomRange(toMs - 2 * durationMs, toMs + durationMs))}>
          Zoom out
        </button>
      )}
    </div>
  );
}
