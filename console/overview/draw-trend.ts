import uPlot from 'uplot';
import type { Trend } from '../../api/trend.ts';
import type { Severity } from '../../posture/verdict.ts';
import { count, dateTime } from '../../api/format.ts';
import { PLOTTED, trendColumns } from '../fleet/trend.ts';
import type { TrendRange } from '../fleet/trend.ts';

/** A trend and the time that is asked for. */
export interface PlottedTrend {
  readonly trend: Trend;
  readonly range: TrendRange;
}

/** A plot on the page. */
export interface Plot {
  readonly update: (shown: PlottedTrend) => void;
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

/**
 * Draws into `place`, as wide as it is, in the colours of the theme; both are followed. The values under the pointer are
 * shown in a tooltip; `onZoom` is called with the times that a drag selects.
 */
export function drawTrend(
  place: HTMLElement,
  first: PlottedTrend,
  onZoom: (fromMs: number, toMs: number) => void,
): Plot {
  let shown = first;
  let plot = create();
  function create(): uPlot {
    const width = Math.max(200, place.clientWidth);
    return new uPlot(optionsOf(place, width, { range: () => scaleOf(shown), onZoom }), dataOf(shown.trend), place);
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
    update: (next) => {
      shown = next;
      plot.setData(dataOf(next.trend));
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
function scaleOf({ trend, range: { durationMs } }: PlottedTrend): [number, number] {
  return [(trend.toMs - durationMs) / 1000, trend.toMs / 1000];
}

interface PlotBehaviour {
  readonly range: () => [number, number];
  readonly onZoom: (fromMs: number, toMs: number) => void;
}

/** A drag that is shorter is a click. */
const SHORTEST_DRAG_PX = 8;

function optionsOf(place: HTMLElement, width: number, { range, onZoom }: PlotBehaviour): uPlot.Options {
  const axis = colourOf(place, 'plot-axis');
  const grid = { stroke: colourOf(place, 'plot-grid'), width: 1 };
  const font = '12px system-ui, sans-serif';
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false, setScale: false } },
    plugins: [tooltip()],
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width: dragged } = plot.select;
          if (dragged < SHORTEST_DRAG_PX) return;
          onZoom(plot.posToVal(left, 'x') * 1000, plot.posToVal(left + dragged, 'x') * 1000);
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
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

/** The time and the values under the pointer. For the eye only: the table has them for everybody. */
function tooltip(): uPlot.Plugin {
  const box = document.createElement('div');
  box.className = 'plot-tooltip';
  box.hidden = true;
  box.setAttribute('aria-hidden', 'true');
  const show = (plot: uPlot): void => {
    const index = plot.cursor.idx;
    const atS = index === null || index === undefined ? undefined : plot.data[0]?.[index];
    box.hidden = atS === undefined || (plot.cursor.left ?? -1) < 0;
    if (atS === undefined || index === null || index === undefined) return;
    const values = PLOTTED.map((severity, series) => `${severity} ${count(plot.data[series + 1]?.[index] ?? 0)}`);
    box.textContent = [dateTime(atS * 1000), ...values].join('\n');
    const left = plot.valToPos(atS, 'x');
    const isRight = left > plot.over.clientWidth / 2;
    box.style.transform = `translate(${String(Math.round(left + (isRight ? -12 : 12)))}px, 8px) translateX(${isRight ? '-100%' : '0'})`;
  };
  return { hooks: { init: (plot) => plot.over.append(box), setCursor: show } };
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
