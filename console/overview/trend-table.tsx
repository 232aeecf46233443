import type { JSX } from 'preact';
import type { Trend } from '../../api/trend.ts';
import { PLOTTED, spanText, trendRows } from '../fleet/trend.ts';
import type { TrendRange } from '../fleet/trend.ts';
import { Scroll } from '../part/card.tsx';
import { count, dateTime } from '../../api/format.ts';
import { SEVERITY_LABELS } from '../../api/labels.ts';

/** Rows of the table: as many as people read. */
const ROWS = 12;

/** The plot as a table, newest first. */
export function TrendTable({ trend, range }: { readonly trend: Trend; readonly range: TrendRange }): JSX.Element {
  return (
    <Scroll label="Open failures over time">
      <table class="trend-table">
        <caption class="visually-hidden">Open failures by severity over {spanText(range)}, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {PLOTTED.map((severity) => (
              <th key={severity} scope="col" class="number">
                {SEVERITY_LABELS[severity]}
              </th>
            ))}
            <th scope="col" class="number">
              unknown
            </th>
          </tr>
        </thead>
        <tbody>
          {trendRows(trend, ROWS).map(({ atMs, failures, unknown }) => (
            <tr key={atMs}>
              <th scope="row">
                <time dateTime={new Date(atMs).toISOString()}>{monthToMinute(atMs)}</time>
              </th>
              {PLOTTED.map((severity) => (
                <td key={severity} class="number">
                  {count(failures[severity])}
                </td>
              ))}
              <td class="number">{count(unknown)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** `11-25 14:03`: no range is longer than a month, no step shorter than minutes. */
function monthToMinute(atMs: number): string {
  return dateTime(atMs).slice(5, 16);
}
