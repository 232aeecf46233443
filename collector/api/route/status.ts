import { collectorStatus } from '../../../api/status.ts';
import type { FleetStatus } from '../../../api/status.ts';
import type { CollectorStatus } from '../../status/collector-status.ts';
import { answer, jsonRoute } from '../route.ts';
import type { Sent } from '../route.ts';
import { presentSink } from './sinks.ts';

/** GET /v1/status */
export const getStatus = jsonRoute({
  method: 'GET',
  path: '/v1/status',
  operation: 'getStatus',
  summary: 'Health of the collector, its sinks and nodes, with issues',
  description:
    'The state of the collector itself, of its store, its sinks and the agents of its nodes, and what is wrong with ' +
    'them. A store that fails is part of the answer, not an error of it.',
  refuses: [],
  answer: collectorStatus,
  handle: async (_input, { status }) => answer(presentStatus(await status())),
});

/** Every field by name: what the inside adds does not leave by accident. */
function presentStatus(status: CollectorStatus): Sent<FleetStatus> {
  const { version, startedMs, nowMs, addresses, process, store, heartbeatMs, nodes, sinks, issues } = status;
  const { path, bytes, space, findings, history, quarantined, problem } = store;
  return {
    version,
    startedMs,
    nowMs,
    addresses: {
      nodes: addresses.nodes,
      api: addresses.api,
      console: addresses.console === '' ? undefined : addresses.console,
    },
    process: { pid: process.pid, rssBytes: process.rssBytes, cpuMs: process.cpuMs },
    store: {
      path,
      bytes,
      freeBytes: space?.freeBytes,
      findings,
      historyFromMs: history?.oldestMs,
      historyToMs: history?.newestMs,
      quarantined: quarantined && { path: quarantined.path, atMs: quarantined.atMs },
      problem,
    },
    heartbeatMs,
    nodes: {
      total: nodes.total,
      connected: nodes.connected,
      stale: nodes.stale,
      offline: nodes.offline,
      neverEnrolled: nodes.neverEnrolled,
      listed: nodes.listed.map((node) => ({
        id: node.id,
        name: node.name,
        presence: node.presence,
        lastSeenMs: node.lastSeenMs,
        agentVersion: node.agentVersion,
        agentRssBytes: node.agentRssBytes,
        agentCpuMs: node.agentCpuMs,
        dropped: node.dropped,
        overBudget: node.overBudget,
      })),
    },
    sinks: sinks.map(presentSink),
    issues: issues.map(({ code, subject, text, advice }) => ({ code, subject, text, advice })),
  };
}
