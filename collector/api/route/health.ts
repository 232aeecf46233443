import * as s from '../../../posture/schema.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

const health = s.object({ status: s.oneOf(['ok']) });
const OK = Object.freeze({ status: 'ok' } as const);

/** GET /healthz */
export const getHealth = jsonRoute({
  method: 'GET',
  path: '/healthz',
  operation: 'getHealth',
  summary: 'Whether the collector answers',
  description: 'Answers as soon as the API listens, and says nothing that is worth protecting.',
  refuses: [],
  answer: health,
  handle: () => answer(OK),
});

/** GET /livez */
export const getLiveness = jsonRoute({
  method: 'GET',
  path: '/livez',
  operation: 'getLiveness',
  summary: 'Liveness of the collector',
  description: 'For the probe that restarts a container: answers while the program runs, whatever its disk does.',
  refuses: [],
  answer: health,
  handle: () => answer(OK),
});

/** GET /readyz */
export const getReadiness = jsonRoute({
  method: 'GET',
  path: '/readyz',
  operation: 'getReadiness',
  summary: 'Readiness of the collector',
  description:
    'For the probe that takes a container out of service: 503 with the codes of the reasons where the store cannot be ' +
    'written. `GET /v1/status` says more.',
  refuses: ['unavailable'],
  answer: health,
  handle: (_input, { unreadiness }) => {
    const reasons = unreadiness();
    return reasons.length === 0
      ? answer(OK)
      : refuse('unavailable', `not ready: ${reasons.join(', ')}`, 'plimsoll status says why, and what to do');
  },
});
