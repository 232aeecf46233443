import * as s from '../../../posture/schema.ts';
import { answer, jsonRoute } from '../route.ts';

/** GET /healthz */
export const getHealth = jsonRoute({
  method: 'GET',
  path: '/healthz',
  operation: 'getHealth',
  summary: 'Is the collector there',
  description: 'Answers as soon as the API listens, and says nothing that is worth protecting.',
  refuses: [],
  answer: s.object({ status: s.oneOf(['ok']) }),
  handle: () => answer({ status: 'ok' as const }),
});
