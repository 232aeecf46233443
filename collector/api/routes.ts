import { fleetFinding, findingEvent, historyEntry } from '../../api/finding.ts';
import { fleetNode, nodeState } from '../../api/node.ts';
import type { Schema } from '../../posture/schema.ts';
import type { Route } from './route.ts';
import { listAudit } from './route/audit.ts';
import { getAuthority, rotateAuthority } from './route/authority.ts';
import {
  getBenchmark,
  getBenchmarkResults,
  getBenchmarkTrend,
  listBenchmarkNodes,
  listBenchmarks,
} from './route/benchmarks.ts';
import { getCheck, listChecks } from './route/checks.ts';
import { getDeadLetter, listDeadLetters, purgeDeadLetters, replayDeadLetters } from './route/dead-letters.ts';
import { listDenials, reportDenials } from './route/denials.ts';
import { listDetections } from './route/detections.ts';
import { listWaivers } from './route/waivers.ts';
import { createConsoleLink, openConsoleSession } from './route/console.ts';
import { watchEvents } from './route/events.ts';
import { listFacts } from './route/facts.ts';
import { listFindingGroups, listFindings, listHistory } from './route/findings.ts';
import { removeNode } from './route/remove-node.ts';
import { createJoinToken, deleteJoinToken, listJoinTokens, readmitNode, revokeNode } from './route/join-tokens.ts';
import { getHealth, getLiveness, getReadiness } from './route/health.ts';
import { getMetrics } from './route/metrics.ts';
import { getNodeStatus } from './route/node-status.ts';
import { getImage, listFixes, listImages } from './route/images.ts';
import { getNode, listNodes } from './route/nodes.ts';
import { createOperatorToken, getIdentity, listOperatorTokens, revokeOperatorToken } from './route/operator-tokens.ts';
import { askNodes } from './route/query.ts';
import { listExemptions, listPolicies } from './route/policy-list.ts';
import { getPolicySnapshot, getSnapshotKey, listImageScans, scanImage, simulatePolicies } from './route/policies.ts';
import {
  announceImage,
  decideRollout,
  findSuccessors,
  getRolloutState,
  listExposure,
  listRollouts,
  pauseRollouts,
  reportRollouts,
} from './route/rollouts.ts';
import { listSinks, testSink } from './route/sinks.ts';
import { getStatus } from './route/status.ts';
import { getSummary } from './route/summary.ts';
import { getTrend } from './route/trend.ts';
import { getVulnerability, listVulnerabilities } from './route/vulnerabilities.ts';

/** Every route, by path. */
export const ROUTES: readonly Route[] = Object.freeze([
  getHealth,
  getLiveness,
  getReadiness,
  getMetrics,
  listAudit,
  getAuthority,
  rotateAuthority,
  listBenchmarks,
  getBenchmark,
  getBenchmarkResults,
  listBenchmarkNodes,
  getBenchmarkTrend,
  listChecks,
  getCheck,
  createConsoleLink,
  openConsoleSession,
  listDeadLetters,
  getDeadLetter,
  replayDeadLetters,
  purgeDeadLetters,
  listDenials,
  reportDenials,
  listDetections,
  listWaivers,
  watchEvents,
  listFacts,
  listFindings,
  listFindingGroups,
  listHistory,
  listFixes,
  getIdentity,
  listImages,
  announceImage,
  getImage,
  listJoinTokens,
  createJoinToken,
  deleteJoinToken,
  listNodes,
  getNode,
  getNodeStatus,
  removeNode,
  revokeNode,
  readmitNode,
  listPolicies,
  listExemptions,
  simulatePolicies,
  getPolicySnapshot,
  getSnapshotKey,
  listImageScans,
  scanImage,
  askNodes,
  listRollouts,
  decideRollout,
  pauseRollouts,
  getRolloutState,
  reportRollouts,
  listExposure,
  findSuccessors,
  listSinks,
  testSink,
  getStatus,
  getSummary,
  listOperatorTokens,
  createOperatorToken,
  revokeOperatorToken,
  getTrend,
  listVulnerabilities,
  getVulnerability,
]);

/** Schemas that have a name in the document. */
export const COMPONENTS: Readonly<Record<string, Schema<unknown>>> = Object.freeze({
  Finding: fleetFinding,
  FindingEvent: findingEvent,
  HistoryEntry: historyEntry,
  Node: fleetNode,
  NodeState: nodeState,
});
