import { authorityState } from '../../../api/authority.ts';
import type { AuthorityState } from '../../../api/authority.ts';
import * as s from '../../../posture/schema.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { AdmissionSource } from '../route.ts';

const DAY_MS = 86_400_000;

/** GET /v1/authority */
export const getAuthority = jsonRoute({
  method: 'GET',
  path: '/v1/authority',
  operation: 'getAuthority',
  summary: 'The CA of the fleet',
  description: 'The CAs that nodes trust: one, or two while the CA is rotated.',
  refuses: [],
  answer: authorityState,
  handle: (_input, { admission }) => answer(stateOf(admission)),
});

/** POST /v1/authority/rotate */
export const rotateAuthority = jsonRoute({
  method: 'POST',
  path: '/v1/authority/rotate',
  operation: 'rotateAuthority',
  summary: 'Rotates the CA of the fleet',
  description:
    'Makes a new CA. Until the overlap ends both CAs are trusted, and nodes receive the new one when they renew their ' +
    'certificates, once a day. Then only the new one is trusted. A host that was not connected meanwhile needs a new join token.',
  refuses: ['rotationInProgress', 'notManaged', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  // A certificate is valid for a day: within one, each connected node renews.
  body: s.object({ overlapMs: s.withDefault(s.integer('in milliseconds', DAY_MS, 90 * DAY_MS), 7 * DAY_MS) }),
  answer: authorityState,
  handle: async ({ body }, { admission }) => {
    const refusal = await admission.tls.rotate(body.overlapMs);
    switch (refusal) {
      case 'inProgress':
        return refuse('rotationInProgress', 'the CA is being rotated already', 'wait until that rotation ends');
      case 'notOurs':
        return refuse(
          'notManaged',
          'the CA of this collector is managed elsewhere',
          'replace the files that the settings tls-ca, tls-cert and tls-key name; the collector reads them again',
        );
      case undefined:
        return answer(stateOf(admission));
    }
  },
});

function stateOf({ tls }: AdmissionSource): AuthorityState {
  return { authorities: tls.authorities(), rotationEndsMs: tls.rotationEndsMs() };
}
