import { includesRole } from '../../api/access.ts';
import type { Role, Scope } from '../../api/access.ts';
import type { Principal } from './principal.ts';

/** What a route demands of its caller. `open`: nothing. */
export type RouteAccess =
  | 'open'
  | {
      readonly role: Role;
      /** `any`: a token with any scopes may use it. */
      readonly scope: Scope | 'any';
      /** May a session of the console use it? Not where it would outlive itself by new credentials. */
      readonly session: boolean;
    };

const allow = (role: Role, scope: Scope | 'any', session = true): RouteAccess =>
  Object.freeze({ role, scope, session });

/**
 * Who may use which route, by operation id. A route that is not listed does not compile; docs/access.md is generated
 * from this table.
 */
export const ACCESS = Object.freeze({
  getHealth: 'open',
  getLiveness: 'open',
  getReadiness: 'open',
  getMetrics: allow('viewer', 'status'),
  openConsoleSession: 'open',
  getIdentity: allow('viewer', 'any'),
  createConsoleLink: allow('viewer', 'any', false),
  listBenchmarks: allow('viewer', 'any'),
  getBenchmark: allow('viewer', 'any'),
  getBenchmarkResults: allow('viewer', 'read'),
  listBenchmarkNodes: allow('viewer', 'read'),
  getBenchmarkTrend: allow('viewer', 'read'),
  listChecks: allow('viewer', 'any'),
  getCheck: allow('viewer', 'any'),
  listFacts: allow('viewer', 'any'),
  watchEvents: allow('viewer', 'read'),
  listFindings: allow('viewer', 'read'),
  listFindingGroups: allow('viewer', 'read'),
  listHistory: allow('viewer', 'read'),
  listNodes: allow('viewer', 'read'),
  getNode: allow('viewer', 'read'),
  // A fixed question with a small answer, shared by whoever asks at the same time.
  getNodeStatus: allow('viewer', 'read'),
  listImages: allow('viewer', 'read'),
  getImage: allow('viewer', 'read'),
  listVulnerabilities: allow('viewer', 'read'),
  getVulnerability: allow('viewer', 'read'),
  listFixes: allow('viewer', 'read'),
  simulatePolicies: allow('viewer', 'read'),
  listPolicies: allow('viewer', 'read'),
  listExemptions: allow('viewer', 'read'),
  listWaivers: allow('viewer', 'read'),
  // Programs that enforce policies use them, with a token for nothing else.
  getPolicySnapshot: allow('viewer', 'policy'),
  getSnapshotKey: allow('viewer', 'policy'),
  listImageScans: allow('viewer', 'policy'),
  scanImage: allow('operator', 'policy'),
  listDenials: allow('viewer', 'read'),
  listDetections: allow('viewer', 'read'),
  reportDenials: allow('operator', 'report', false),
  announceImage: allow('operator', 'policy'),
  listExposure: allow('viewer', 'rollout'),
  findSuccessors: allow('operator', 'rollout'),
  getRolloutState: allow('viewer', 'rollout'),
  reportRollouts: allow('operator', 'rollout', false),
  listRollouts: allow('viewer', 'read'),
  // Not with the token of the program that carries them out.
  decideRollout: allow('operator', 'approve'),
  pauseRollouts: allow('operator', 'approve'),
  listDeadLetters: allow('viewer', 'read'),
  getDeadLetter: allow('viewer', 'read'),
  replayDeadLetters: allow('operator', 'delivery'),
  purgeDeadLetters: allow('operator', 'delivery'),
  testSink: allow('operator', 'delivery'),
  listSinks: allow('viewer', 'status'),
  getStatus: allow('viewer', 'status'),
  getSummary: allow('viewer', 'status'),
  getTrend: allow('viewer', 'status'),
  askNodes: allow('operator', 'query'),
  removeNode: allow('operator', 'nodes'),
  revokeNode: allow('operator', 'nodes'),
  readmitNode: allow('operator', 'nodes'),
  listJoinTokens: allow('operator', 'enroll'),
  createJoinToken: allow('operator', 'enroll', false),
  deleteJoinToken: allow('operator', 'enroll'),
  getAuthority: allow('operator', 'enroll'),
  rotateAuthority: allow('admin', 'enroll'),
  listOperatorTokens: allow('admin', 'access'),
  createOperatorToken: allow('admin', 'access', false),
  revokeOperatorToken: allow('admin', 'access'),
  listAudit: allow('admin', 'access'),
} satisfies Record<string, RouteAccess>);

/** The operation ids of all routes. */
export type Operation = keyof typeof ACCESS;

/**
 * Operations that change nothing, besides those of GET: a live query, a search for successors, and signing in, without
 * which nobody could see why nothing can be changed. Denials are events themselves, and a report must not wait for the
 * audit log.
 */
const UNCHANGING: ReadonlySet<Operation> = new Set([
  'askNodes',
  'openConsoleSession',
  'findSuccessors',
  'reportDenials',
] as const);

/** Does the operation change something? It is then recorded before it is carried out. */
export function isChange(operation: Operation, method: string): boolean {
  return method !== 'GET' && !UNCHANGING.has(operation);
}

/** All operation ids, in the order of {@link ACCESS}. */
export const OPERATIONS = Object.freeze(Object.keys(ACCESS)) as readonly Operation[];

/** Why a principal may not use a route. */
export type AccessDenial = 'role' | 'scope' | 'session';

/** Why `principal` may not use a route with this access; undefined: it may. */
export function denialOf(access: RouteAccess, principal: Principal): AccessDenial | undefined {
  if (access === 'open') return undefined;
  if (principal.kind === 'anonymous' || !includesRole(principal.role, access.role)) return 'role';
  if (access.scope !== 'any' && principal.scopes !== 'all' && !principal.scopes.includes(access.scope)) return 'scope';
  return principal.isSession && !access.session ? 'session' : undefined;
}

/** The operations that `principal` may use. */
export function operationsOf(principal: Principal): readonly Operation[] {
  return OPERATIONS.filter((operation) => denialOf(ACCESS[operation], principal) === undefined);
}
