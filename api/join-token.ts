import * as s from '../posture/schema.ts';
import { time } from './part.ts';

/** Join tokens without their secrets. */
export const joinTokenList = s.object({
  tokens: s.list(
    s.object({
      id: s.string('the part of the token before the dot'),
      createdMs: time('when it was created'),
      expiresMs: time('when it expires'),
      nodeId: s.string('the only node that may use it; empty: any new node'),
      usedMs: time('when it was used; 0: it was not'),
      usedBy: s.string('the node that used it; empty: none'),
    }),
    '',
    10_000,
  ),
});
/** See {@link joinTokenList}. */
export type JoinTokenInfo = s.Infer<typeof joinTokenList>['tokens'][number];

/** A join token that was just created, with what a host needs to join. It cannot be shown again. */
export const createdJoinToken = s.object({
  token: s.string(),
  caHash: s.string(
    'hash of the public key of the CA, which the host checks; while the CA is rotated, two with a comma between them',
  ),
  expiresMs: time('when it expires'),
  listenPort: s.integer('port for sessions of nodes'),
  enrollPort: s.integer('port for enrolment'),
});

/** A join token that was deleted. */
export const deletedJoinToken = s.object({ id: s.string() });

/** A node whose certificates were revoked. */
export const revokedNode = s.object({ id: s.string() });

/** A node that was readmitted. */
export const readmittedNode = s.object({ id: s.string() });
