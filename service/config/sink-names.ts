/** Names of the sinks: settings of a sink start with `sink-NAME`. */
export const SINK_NAMES = [
  'ndjson',
  'syslog',
  'webhook',
  'splunk',
  'elasticsearch',
  'otlp',
  'sentinel',
  'nats',
  'kafka',
  's3',
  'security-hub',
] as const;

/** See {@link SINK_NAMES}. */
export type SinkName = (typeof SINK_NAMES)[number];

type CamelCase<T extends string> = T extends `${infer First}-${infer Rest}` ? `${First}${Capitalize<Rest>}` : T;

type SinkSetting<Part extends string> = `sink${Capitalize<CamelCase<SinkName>>}${Part}`;

/** The key of a setting that every sink has: `sinkNdjsonFilter`, `sinkSecurityHubFilter`. */
export function sinkSetting<Part extends string>(name: SinkName, part: Part): SinkSetting<Part> {
  const words = name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `sink${words.join('')}${part}` as SinkSetting<Part>;
}
