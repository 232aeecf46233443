import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Trend } from '../../api/trend.ts';
import { trendSentence } from '../fleet/trend.ts';
import type { TrendRange } from '../fleet/trend.ts';
import type { Plot } from './draw-trend.ts';

/** Open failures over time, drawn on a canvas. The library that draws is loaded only where a plot is shown. */
export function TrendPlot({ trend, range }: { readonly trend: Trend; readonly range: TrendRange }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const latest = useRef({ trend, range });
  latest.current = { trend, range };
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let isGone = false;
    const start = async (): Promise<void> => {
      const { drawTrend } = await import('./draw-trend.ts');
      if (isGone || place.current === null) return;
      plot.current = drawTrend(place.current, latest.current.trend, latest.current.range.durationMs);
    };
    start().catch(() => setFailed(true));
    return () => {
      isGone = true;
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, []);
  useEffect(() => plot.current?.update(trend, range.durationMs), [trend, range]);
  return (
    <>
      {failed ? <p class="note note-empty">The plot could not be loaded. The table shows the same.</p> : null}
      <div class="plot" ref={place} role="img" aria-label={`Plot. ${trendSentence(trend, range)}`} />
    </>
  );
}
