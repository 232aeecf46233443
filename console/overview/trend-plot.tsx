import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Trend } from '../../api/trend.ts';
import { trendSentence, zoomRange } from '../fleet/trend.ts';
import type { TrendRange } from '../fleet/trend.ts';
import type { Plot } from './draw-trend.ts';

/** Open failures over time, drawn on a canvas. The library that draws is loaded only where a plot is shown. */
export function TrendPlot({
  trend,
  range,
  onZoom,
}: {
  readonly trend: Trend;
  readonly range: TrendRange;
  readonly onZoom: (range: TrendRange) => void;
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const latest = useRef({ trend, range, onZoom });
  latest.current = { trend, range, onZoom };
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let isGone = false;
    const start = async (): Promise<void> => {
      const { drawTrend } = await import('./draw-trend.ts');
      if (isGone || place.current === null) return;
      plot.current = drawTrend(place.current, latest.current, (fromMs, toMs) =>
        latest.current.onZoom(zoomRange(fromMs, toMs)),
      );
    };
    start().catch(() => setFailed(true));
    return () => {
      isGone = true;
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, []);
  useEffect(() => plot.current?.update({ trend, range }), [trend, range]);
  return (
    <>
      {failed ? <p class="note note-empty">The plot could not be loaded. The table shows the same.</p> : null}
      <div class="plot" ref={place} role="img" aria-label={`Plot. ${trendSentence(trend, range)}`} />
    </>
  );
}
