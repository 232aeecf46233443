/** One value of a metric, with its labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric. The name of a counter ends without `_total`, that of a metric with a unit ends with the unit. */
export interface MetricFamily {
  readonly name: string;
  readonly type: 'gauge' | 'counter' | 'info';
  readonly help: string;
  readonly unit?: 'bytes' | 'seconds';
  readonly samples: readonly Sample[];
}

/** The media type of the text. */
export const OPEN_METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

const SUFFIX = { gauge: '', counter: '_total', info: '_info' } as const satisfies Record<MetricFamily['type'], string>;

/**
 * Metrics as OpenMetrics 1.0 text, https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md.
 * Values of labels can be any text: they come from nodes too.
 */
export function toOpenMetrics(families: readonly MetricFamily[]): string {
  const lines: string[] = [];
  for (const { name, type, help, unit, samples } of families) {
    lines.push(`# TYPE ${name} ${type}`);
    if (unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escape(help)}`);
    for (const { labels = {}, value } of samples)
      lines.push(`${name}${SUFFIX[type]}${labelsText(labels)} ${String(value)}`);
  }
  return `${lines.join('\n')}\n# EOF\n`;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** The text must be UTF-8, which has no half of a surrogate pair. */
function escape(text: string): string {
  return text.toWellFormed().replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
