import uPlot from 'uplot';
import type { Trend } from '../../api/trend.ts';
import type { Severity } from '../../posture/verdict.ts';
import { PLOTTED, trendColumns } from '../fleet/trend.ts';

/** A plot on the page. */
export interface Plot {
  readonly update: (trend: Trend, durationMs: number) => void;
  readonly destroy: () => void;
}

const HEIGHT = 240;

/** The worse, the thicker; and a dash of its own for each, so that nobody needs the colour. */
const LINES: Readonly<Record<Severity, { readonly width: number; readonly dash: number[] }>> = Object.freeze({
  critical: { width: 3, dash: [] },
  high: { width: 2, dash: [] },
  medium: { width: 2, dash: [8, 4] },
  low: { width: 2, dash: [2, 3] },
  info: { width: 1, dash: [] },
});

/** Draws into `place`, as wide as it is, in the colours of the theme; both are followed. */
export function drawTrend(place: HTMLElement, first: Trend, firstDurationMs: number): Plot {
  let trend = first;
  let durationMs = firstDurationMs;
  let plot = create();
  function create(): uPlot {
    const width = Math.max(200, place.clientWidth);
    return new uPlot(
      optionsOf(place, width, () => scaleOf(trend, durationMs)),
      dataOf(trend),
      place,
    );
  }
  const redraw = (): void => {
    plot.destroy();
    plot = create();
  };
  const observer = new ResizeObserver(() => plot.setSize({ width: Math.max(200, place.clientWidth), height: HEIGHT }));
  observer.observe(place);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', redraw);
  addEventListener('plimsoll-theme', redraw);
  return {
    update: (next, nextDurationMs) => {
      trend = next;
      durationMs = nextDurationMs;
      plot.setData(dataOf(trend));
    },
    destroy: () => {
      observer.disconnect();
      dark.removeEventListener('change', redraw);
      removeEventListener('plimsoll-theme', redraw);
      plot.destroy();
    },
  };
}

function dataOf(trend: Trend): uPlot.AlignedData {
  return trendColumns(trend).map((column) => column.slice()) as unknown as uPlot.AlignedData;
}

/** The whole range, also where the collector knows only the end of it. */
function scaleOf(trend: Trend, durationMs: number): [number, number] {
  return [(trend.toMs - durationMs) / 1000, trend.toMs / 1000];
}

function optionsOf(place: HTMLElement, width: number, range: () => [number, number]): uPlot.Options {
  const axis = colourOf(place, 'plot-axis');
  const grid = { stroke: colourOf(place, 'plot-grid'), width: 1 };
  const font = '12px system-ui, sans-serif';
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: true, range }, y: { range: (_plot, _min, max) => [0, Math.max(4, Math.ceil(max * 1.1))] } },
    axes: [
      { stroke: axis, grid: { show: false }, ticks: grid, font, values: timeLabels },
      {
        stroke: axis,
        grid,
        ticks: { show: false },
        font,
        size: 44,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
      },
    ],
    series: [
      {},
      ...PLOTTED.map((severity) => ({
        label: severity,
        stroke: colourOf(place, `sev-${severity}`),
        width: LINES[severity].width,
        dash: LINES[severity].dash,
        paths: uPlot.paths.stepped?.({ align: 1 }),
        points: { show: (plot: uPlot) => (plot.data[0]?.length ?? 0) < 3 },
      })),
    ] as uPlot.Series[],
  };
}

/** Times of day within a day, dates beyond it; on the clock of this browser. */
function timeLabels(_plot: uPlot, splits: number[], _axis: number, _space: number, incrementS: number): string[] {
  return splits.map((atS) => {
    const date = new Date(atS * 1000);
    const day = `${String(date.getDate())} ${MONTHS[date.getMonth()] ?? ''}`;
    const time = `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
    if (incrementS >= 86_400) return day;
    return time === '00:00' ? day : time;
  });
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A canvas takes no custom properties: the colour is asked of an element that has it. */
function colourOf(place: HTMLElement, className: string): string {
  const probe = document.createElement('span');
  probe.className = className;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
