import * as s from '../posture/schema.ts';
import { time } from './part.ts';

/** Roles, the weakest first: each may do what those before it may. */
export const ROLES = Object.freeze(['viewer', 'operator', 'admin'] as const);
/** See {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** What each role is for. */
export const ROLE_MEANINGS = Object.freeze({
  viewer: 'reads the stored posture, the health of the fleet and the event stream',
  operator:
    'also runs live queries, removes and revokes nodes, creates join tokens, reports denials, replays and purges dead letters, tests sinks',
  admin: 'also manages operator tokens and reads the audit log',
} satisfies Record<Role, string>);

/** Parts of the API that a token can be restricted to. */
export const SCOPES = Object.freeze([
  'read',
  'status',
  'query',
  'nodes',
  'enroll',
  'policy',
  'report',
  'rollout',
  'approve',
  'delivery',
  'access',
] as const);
/** See {@link SCOPES}. */
export type Scope = (typeof SCOPES)[number];

/** What each scope allows, as far as the role of the token does. */
export const SCOPE_MEANINGS = Object.freeze({
  read: 'findings, history, nodes, images, vulnerabilities, the event stream and the status of a node',
  status: 'health of the collector, its sinks and the counts of findings',
  query: 'live queries',
  nodes: 'remove nodes and revoke their certificates',
  enroll: 'create, list and delete join tokens',
  policy: 'image policies and the verdicts on images, for programs that enforce them',
  report: 'report requests that violated a policy, for programs that enforce policies',
  rollout: 'what plimsoll rollout reads and reports; no approval',
  approve: 'approve, reject and pause rollouts',
  delivery: 'replay and purge dead letters, test sinks',
  access: 'operator tokens and the audit log',
} satisfies Record<Scope, string>);

/** Does `role` include the rights of `required`? */
export function includesRole(role: Role, required: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(required);
}

/** A role. */
export const role = s.oneOf(ROLES, 'each role may do what those before it may');
/** Scopes of a token. */
export const scopes = s.list(s.oneOf(SCOPES), 'parts of the API that it is restricted to; empty: all', SCOPES.length);

/** Limits of the lifetime of an operator token, and the default. */
export const MIN_TOKEN_TTL_MS = 60_000;
export const MAX_TOKEN_TTL_MS = 366 * 86_400_000;
export const DEFAULT_TOKEN_TTL_MS = 30 * 86_400_000;
/** Longest name of an operator token. */
export const MAX_TOKEN_NAME = 64;

const tokenFields = {
  id: s.string('the part of the token between the dots'),
  name: s.string('for people'),
  role,
  scopes,
  createdMs: time('when it was created'),
  expiresMs: time('when it expires'),
  createdBy: s.string('who created it'),
};

/** An operator token without its secret. */
const operatorToken = s.object(tokenFields);
/** See {@link operatorToken}. */
export type OperatorTokenInfo = s.Infer<typeof operatorToken>;

/** Operator tokens, without their secrets. */
export const operatorTokenList = s.object({ tokens: s.list(operatorToken, '', 10_000) });

/** An operator token that was just created. It cannot be shown again. */
export const createdOperatorToken = s.object({
  token: s.string('the token; the collector keeps only a hash of it'),
  ...tokenFields,
});

/** An operator token that was revoked. */
export const revokedOperatorToken = s.object({ id: s.string(), name: s.string() });

/** Who makes a request, and what they may do. */
export const identity = s.object({
  kind: s.openOneOf(['token', 'oidc']),
  id: s.string(
    'id of the operator token; `token-file`: the one in the token file; or the subject of the identity provider',
  ),
  name: s.string('for people'),
  role,
  scopes,
  session: s.boolean('a session of the console'),
  expiresMs: s.nullable(time('until when the credentials are valid; absent: without limit')),
  operations: s.list(s.string(), 'operation ids of this document that the caller may use', 1_000),
});
/** See {@link identity}. */
export type Identity = s.Infer<typeof identity>;
