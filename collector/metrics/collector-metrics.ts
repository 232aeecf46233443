import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { CollectorStatus } from '../status/collector-status.ts';
import type { SinkReport } from '../sink/sink-report.ts';
import type { CountRow } from '../store/store.ts';
import type { MetricFamily, Sample } from './open-metrics.ts';

/** What the metrics are made from. */
export interface MetricsSource {
  readonly status: CollectorStatus;
  /** Undefined: the store cannot be read. */
  readonly counts: readonly CountRow[] | undefined;
  /** Add a series for each of up to 500 nodes, the worst first. */
  readonly eachNode: boolean;
}

/**
 * Every metric of a collector. The number of series is bounded, whatever nodes and receivers do. What comes from a store or
 * a disk that cannot be read is left out: zero would say that nothing fails and nothing waits.
 */
export function collectorMetrics({ status, counts, eachNode }: MetricsSource): readonly MetricFamily[] {
  const { store } = status;
  // A problem that is not one of writing is one of reading.
  const isRead = store.problem === '' || store.writeProblem !== undefined;
  return [
    ...processMetrics(status),
    ...(isRead ? [presenceMetric(status)] : []),
    ...(counts === undefined ? [] : findingMetrics(counts)),
    ...sinkMetrics(status, isRead),
    ...(eachNode ? nodeMetrics(status) : []),
  ];
}

function processMetrics({ version, startedMs, process, store, issues }: CollectorStatus): readonly MetricFamily[] {
  const byCode = new Map<string, number>();
  for (const { code } of issues) byCode.set(code, (byCode.get(code) ?? 0) + 1);
  return [
    {
      name: 'plimsoll_collector',
      type: 'info',
      help: 'Version of the collector.',
      samples: [{ labels: { version }, value: 1 }],
    },
    gauge(
      'plimsoll_collector_start_time_seconds',
      'Start of the collector, in Unix time.',
      startedMs / 1000,
      'seconds',
    ),
    {
      name: 'plimsoll_collector_cpu_seconds',
      type: 'counter',
      unit: 'seconds',
      help: 'CPU time of the collector.',
      samples: [{ value: process.cpuMs / 1000 }],
    },
    gauge('plimsoll_collector_resident_memory_bytes', 'Resident memory of the collector.', process.rssBytes, 'bytes'),
    ...(store.diskProblem === undefined
      ? [gauge('plimsoll_store_bytes', 'Size of the files of the store.', store.bytes, 'bytes')]
      : []),
    ...(store.space === undefined
      ? []
      : [gauge('plimsoll_store_free_bytes', 'Free space on the disk of the store.', store.space.freeBytes, 'bytes')]),
    gauge('plimsoll_store_failing', '1: the store cannot be read or written.', store.problem === '' ? 0 : 1),
    {
      name: 'plimsoll_issues',
      type: 'gauge',
      help: 'Issues that plimsoll status lists, by code.',
      samples: [...byCode].map(([code, value]) => ({ labels: { code }, value })),
    },
  ];
}

function presenceMetric({ nodes }: CollectorStatus): MetricFamily {
  return {
    name: 'plimsoll_nodes',
    type: 'gauge',
    help: 'Nodes, by the state of their connection.',
    samples: (['connected', 'stale', 'offline', 'neverEnrolled'] as const).map((presence) => ({
      labels: { presence },
      value: nodes[presence],
    })),
  };
}

function findingMetrics(counts: readonly CountRow[]): readonly MetricFamily[] {
  const total = (matches: (row: CountRow) => boolean): number =>
    counts.filter(matches).reduce((sum, { count }) => sum + count, 0);
  return [
    {
      name: 'plimsoll_findings',
      type: 'gauge',
      help: 'Findings of all nodes that no waiver accepts, by verdict.',
      samples: VERDICTS.map((verdict) => ({
        labels: { verdict },
        value: total((row) => row.verdict === verdict && row.waived !== true),
      })),
    },
    gauge(
      'plimsoll_findings_waived',
      'Findings of all nodes that a waiver accepts.',
      total((row) => row.waived === true),
    ),
    {
      name: 'plimsoll_failures',
      type: 'gauge',
      help: 'Findings of all nodes with the verdict fail that no waiver accepts, by severity.',
      samples: SEVERITIES.map((severity) => ({
        labels: { severity },
        value: total((row) => row.verdict === 'fail' && row.severity === severity && row.waived !== true),
      })),
    },
  ];
}

function sinkMetrics({ sinks, nowMs }: CollectorStatus, isRead: boolean): readonly MetricFamily[] {
  const each = (value: (sink: SinkReport) => number): readonly Sample[] =>
    sinks.map((sink) => ({ labels: { sink: sink.name }, value: value(sink) }));
  const counter = (name: string, help: string, value: (sink: SinkReport) => number): MetricFamily => ({
    name: `plimsoll_sink_${name}`,
    type: 'counter',
    help,
    samples: each(value),
  });
  const backlog: readonly MetricFamily[] = [
    {
      name: 'plimsoll_sink_backlog_events',
      type: 'gauge',
      help: 'Events that wait for the sink.',
      samples: each(({ behind }) => behind),
    },
    {
      name: 'plimsoll_sink_backlog_age_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'Age of the oldest event that waits for the sink; 0: none waits.',
      samples: each(({ oldestMs }) => (oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs) / 1000)),
    },
    {
      name: 'plimsoll_sink_dead_letters',
      type: 'gauge',
      help: 'Rejected events that wait to be replayed or purged.',
      samples: each(({ deadLetters }) => deadLetters),
    },
  ];
  return [
    {
      name: 'plimsoll_sink_up',
      type: 'gauge',
      help: '1: the last delivery of the sink succeeded.',
      samples: each(({ state }) => (state === 'ok' ? 1 : 0)),
    },
    ...(isRead ? backlog : []),
    counter('delivered_events', 'Events that the sink has accepted.', ({ delivered }) => delivered),
    counter('filtered_events', 'Events that the filter of the sink left out.', ({ filtered }) => filtered),
    counter(
      'undecided_events',
      'Delivered events for which the filter of the sink could not be decided.',
      ({ undecided }) => undecided,
    ),
    counter('rejected_events', 'Events that the receiver will never accept.', ({ rejected }) => rejected),
    counter('discarded_events', 'Rejected events that are not kept.', ({ discarded }) => discarded),
    counter('dropped_events', 'Events that were dropped because too many waited.', ({ dropped }) => dropped),
  ];
}

function nodeMetrics({ nodes: { listed } }: CollectorStatus): readonly MetricFamily[] {
  const each = (value: (node: (typeof listed)[number]) => number): readonly Sample[] =>
    listed.map((node) => ({ labels: { node: node.id, name: node.name }, value: value(node) }));
  return [
    {
      name: 'plimsoll_node_connected',
      type: 'gauge',
      help: '1: the node has a session and sends heartbeats.',
      samples: each(({ presence }) => (presence === 'connected' ? 1 : 0)),
    },
    {
      name: 'plimsoll_node_last_seen_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'Last message of the node, in Unix time; 0: none yet.',
      samples: each(({ lastSeenMs }) => lastSeenMs / 1000),
    },
    {
      name: 'plimsoll_agent_resident_memory_bytes',
      type: 'gauge',
      unit: 'bytes',
      help: 'Resident memory of the agent, from its last heartbeat.',
      samples: each(({ agentRssBytes }) => agentRssBytes),
    },
    {
      name: 'plimsoll_agent_cpu_seconds',
      type: 'counter',
      unit: 'seconds',
      help: 'CPU time of the agent, from its last heartbeat.',
      samples: each(({ agentCpuMs }) => agentCpuMs / 1000),
    },
    {
      name: 'plimsoll_agent_dropped_changes',
      type: 'counter',
      help: 'Changes that the agent had to drop.',
      samples: each(({ dropped }) => dropped),
    },
  ];
}

function gauge(name: string, help: string, value: number, unit?: 'bytes' | 'seconds'): MetricFamily {
  return { name, type: 'gauge', help, samples: [{ value }], ...(unit !== undefined && { unit }) };
}
