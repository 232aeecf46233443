import {
  createdOperatorToken,
  DEFAULT_TOKEN_TTL_MS,
  identity,
  MAX_TOKEN_NAME,
  MAX_TOKEN_TTL_MS,
  MIN_TOKEN_TTL_MS,
  operatorTokenList,
  revokedOperatorToken,
  role,
  scopes,
} from '../../../api/access.ts';
import type { Identity, OperatorTokenInfo } from '../../../api/access.ts';
import { safe } from '../../../api/safe.ts';
import * as s from '../../../posture/schema.ts';
import { MAX_OPERATOR_TOKENS } from '../../operator-tokens.ts';
import type { OperatorToken } from '../../operator-tokens.ts';
import { operationsOf } from '../access.ts';
import { text } from '../parameter.ts';
import { describePrincipal } from '../principal.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { Sent } from '../route.ts';

/** GET /v1/identity */
export const getIdentity = jsonRoute({
  method: 'GET',
  path: '/v1/identity',
  operation: 'getIdentity',
  summary: 'Identity and rights of the caller',
  description: 'The role and the scopes of the credentials of this request, and the operations that they allow.',
  refuses: [],
  answer: identity,
  handle: ({ principal }) => {
    const { kind, id, name, role, scopes, isSession, expiresMs } = principal;
    return answer<Sent<Identity>>({
      kind,
      id,
      name,
      role,
      scopes: scopes === 'all' ? [] : scopes,
      session: isSession,
      expiresMs,
      operations: operationsOf(principal),
    });
  },
});

/** GET /v1/tokens */
export const listOperatorTokens = jsonRoute({
  method: 'GET',
  path: '/v1/tokens',
  operation: 'listOperatorTokens',
  summary: 'Operator tokens',
  description:
    'All operator tokens, without secrets; expired ones are listed for seven days. The token in the token file of the ' +
    'collector is not among them.',
  refuses: [],
  answer: operatorTokenList,
  handle: (_input, { operatorTokens }) => answer({ tokens: operatorTokens.all().map(withoutHash) }),
});

/** POST /v1/tokens */
export const createOperatorToken = jsonRoute({
  method: 'POST',
  path: '/v1/tokens',
  operation: 'createOperatorToken',
  summary: 'Creates an operator token',
  description:
    'An operator token is a bearer token for this API with a role, until it expires or is revoked. The collector keeps ' +
    'only a hash, so the token cannot be shown again. A token with scopes creates only tokens with some of these scopes.',
  refuses: ['unavailable', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: s.object({
    name: s.withDefault(s.string('for people: letters, digits, spaces and ._@:/-', MAX_TOKEN_NAME), ''),
    role,
    scopes: s.withDefault(scopes, []),
    ttlMs: s.withDefault(
      s.integer('lifetime in milliseconds', MIN_TOKEN_TTL_MS, MAX_TOKEN_TTL_MS),
      DEFAULT_TOKEN_TTL_MS,
    ),
  }),
  answer: createdOperatorToken,
  handle: async ({ body, principal }, { operatorTokens }) => {
    if (!/^[\w .@:/-]*$/.test(body.name))
      return refuse('invalidRequest', 'body.name: letters, digits, spaces and ._@:/- only');
    const own = principal.scopes;
    if (own !== 'all' && (body.scopes.length === 0 || body.scopes.some((scope) => !own.includes(scope))))
      return refuse(
        'forbidden',
        `your token has the scopes ${own.join(', ')}: a token with more cannot be created with it`,
      );
    const created = await operatorTokens.create({
      ...body,
      createdBy: safe(describePrincipal(principal)).slice(0, 512),
    });
    if (created === undefined)
      return refuse('unavailable', `${String(MAX_OPERATOR_TOKENS)} operator tokens exist already`, 'revoke some first');
    return answer({ token: created.text, ...withoutHash(created.token) });
  },
});

/** DELETE /v1/tokens/{id} */
export const revokeOperatorToken = jsonRoute({
  method: 'DELETE',
  path: '/v1/tokens/{id}',
  operation: 'revokeOperatorToken',
  summary: 'Revokes an operator token',
  description:
    'The token, and sessions that were opened with it, are refused from then on; their event streams end. The token in ' +
    'the token file cannot be revoked: replace the file and restart the collector.',
  refuses: ['unknownToken', 'invalidRequest'],
  params: s.object({ id: text('id; a name is refused', 64) }),
  answer: revokedOperatorToken,
  handle: async ({ params: { id } }, { operatorTokens }) => {
    const revoked = await operatorTokens.revoke(id);
    return revoked === undefined
      ? refuse(
          'unknownToken',
          `no operator token has the id ${JSON.stringify(id)}`,
          'list the operator tokens: plimsoll token list, GET /v1/tokens',
        )
      : answer({ id, name: revoked.name });
  },
});

function withoutHash({ hash: _hash, ...token }: OperatorToken): OperatorTokenInfo {
  return token;
}
