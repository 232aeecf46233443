import {
  createdJoinToken,
  deletedJoinToken,
  joinTokenList,
  readmittedNode,
  revokedNode,
} from '../../../api/join-token.ts';
import * as s from '../../../posture/schema.ts';
import { MAX_TOKENS, MAX_TOKEN_TTL_MS } from '../../enrollment/join-tokens.ts';
import { isNodeId } from '../../../service/tls/node-identity.ts';
import { text } from '../parameter.ts';
import { answer, callerOf, jsonRoute, refuse } from '../route.ts';

/** GET /v1/join-tokens */
export const listJoinTokens = jsonRoute({
  method: 'GET',
  path: '/v1/join-tokens',
  operation: 'listJoinTokens',
  summary: 'Join tokens',
  description: 'All join tokens, without secrets; used and expired ones are listed for seven days.',
  refuses: [],
  answer: joinTokenList,
  handle: (_input, { admission }) =>
    answer({ tokens: admission.tokens.all().map(({ hash: _hash, ...token }) => token) }),
});

/** POST /v1/join-tokens */
export const createJoinToken = jsonRoute({
  method: 'POST',
  path: '/v1/join-tokens',
  operation: 'createJoinToken',
  summary: 'Creates a join token',
  description:
    'A join token enrols one host: the agent exchanges it for a certificate. It works once, until it expires. The ' +
    'collector keeps only a hash, so the token cannot be shown again.',
  refuses: ['enrolmentOff', 'unavailable', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: s.object({
    ttlMs: s.withDefault(s.integer('lifetime in milliseconds', 60_000, MAX_TOKEN_TTL_MS), 3_600_000),
    nodeId: s.withDefault(
      s.string('the only node that may use it: needed for a node that the collector knows already', 200),
      '',
    ),
  }),
  answer: createdJoinToken,
  handle: async ({ body }, { admission }) => {
    if (body.nodeId !== '' && !isNodeId(body.nodeId))
      return refuse('invalidRequest', 'nodeId: letters, digits, dots, dashes and underscores only');
    const { listen, enroll } = admission.addresses();
    if (enroll === undefined)
      return refuse('enrolmentOff', 'this collector enrols no nodes', 'start it with --enroll HOST:PORT');
    const created = await admission.tokens.create({ ttlMs: body.ttlMs, nodeId: body.nodeId });
    if (created === undefined)
      return refuse(
        'unavailable',
        `${String(MAX_TOKENS)} unused join tokens exist already`,
        'delete some of them first',
      );
    const caHash = admission.tls
      .authorities()
      .map(({ hash }) => hash)
      .join(',');
    const { expiresMs } = created.token;
    return answer({ token: created.text, caHash, expiresMs, listenPort: listen.port, enrollPort: enroll.port });
  },
});

/** DELETE /v1/join-tokens/{id} */
export const deleteJoinToken = jsonRoute({
  method: 'DELETE',
  path: '/v1/join-tokens/{id}',
  operation: 'deleteJoinToken',
  summary: 'Deletes a join token',
  description: 'A deleted token cannot be used. The certificate of a node that has used it stays valid.',
  refuses: ['unknownToken', 'invalidRequest'],
  params: s.object({ id: text('the part of the token before the dot', 64) }),
  answer: deletedJoinToken,
  handle: async ({ params: { id } }, { admission }) =>
    (await admission.tokens.remove(id))
      ? answer({ id })
      : refuse(
          'unknownToken',
          `no join token has the id ${id}`,
          'list the join tokens: plimsoll join-token list, GET /v1/join-tokens',
        ),
});

/** POST /v1/nodes/{id}/revoke */
export const revokeNode = jsonRoute({
  method: 'POST',
  path: '/v1/nodes/{id}/revoke',
  operation: 'revokeNode',
  summary: 'Revokes the certificates of a node',
  description:
    'Refuses every certificate that was issued to this node so far and ends its session. Its findings are kept. To ' +
    'connect again, a host needs a join token that was created for it, and a Kubernetes node has to be readmitted.',
  refuses: ['unknownNode', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  params: s.object({ id: text('id; a name is refused', 200) }),
  body: s.object({}),
  answer: revokedNode,
  handle: async ({ params: { id }, principal, address }, { admission, store }) => {
    // One that was enrolled and has not connected yet is known by its token only.
    const isKnown =
      (await store.nodes()).some((node) => node.id === id) ||
      admission.tokens.all().some(({ usedBy }) => usedBy === id);
    if (!isKnown)
      return refuse(
        'unknownNode',
        `no node has the id ${JSON.stringify(id)}`,
        'list the nodes: plimsoll nodes, GET /v1/nodes',
      );
    await admission.revoke(id, callerOf({ principal, address }));
    return answer({ id });
  },
});

/** POST /v1/nodes/{id}/readmit */
export const readmitNode = jsonRoute({
  method: 'POST',
  path: '/v1/nodes/{id}/readmit',
  operation: 'readmitNode',
  summary: 'Readmits a revoked Kubernetes node',
  description:
    'Lets a Kubernetes node that was revoked get a certificate again with the service-account token of its agent. The ' +
    'certificates from before stay revoked.',
  refuses: ['unknownNode', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  params: s.object({ id: text('id; a name is refused', 200) }),
  body: s.object({}),
  answer: readmittedNode,
  handle: async ({ params: { id }, principal, address }, { admission }) =>
    (await admission.readmit(id, callerOf({ principal, address })))
      ? answer({ id })
      : refuse('unknownNode', `no node with the id ${JSON.stringify(id)} is revoked`, 'use the id that was revoked'),
});
