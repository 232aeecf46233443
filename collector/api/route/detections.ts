import { detectionList } from '../../../api/detection.ts';
import * as s from '../../../posture/schema.ts';
import type { DetectionEvent } from '../../detection/detection.ts';
import { DETECTION_RULES } from '../../detection/rules.ts';
import { numeric, repeated, text } from '../parameter.ts';
import { answer, jsonRoute } from '../route.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/** GET /v1/detections */
export const listDetections = jsonRoute({
  method: 'GET',
  path: '/v1/detections',
  operation: 'listDetections',
  summary: 'Detections, newest first',
  description:
    'Privileged containers that started, accounts and SSH keys that were added, agents that are silent, and the like. ' +
    'Each is also an event of the sinks (OCSF 2004). Evidence is text of the node.',
  refuses: ['invalidRequest'],
  query: s.object({
    id: repeated(text('id of a detection', 64), '', 100),
    node: repeated(text('id of a node', 512), '', 100),
    rule: repeated(text('id of a rule', 64), '', 100),
    sinceMs: s.nullable(numeric('detected at this time or later; milliseconds since 1970, UTC', 0)),
    limit: s.withDefault(numeric('most detections', 1, MAX_LIMIT), DEFAULT_LIMIT),
    cursor: s.nullable(text('of the answer before', 64)),
  }),
  answer: detectionList,
  handle: async ({ query }, { store }) => {
    const { id, node, rule, sinceMs, limit, cursor } = query;
    const page = await store.detections({
      ...(id !== null && { ids: id }),
      ...(node !== null && { nodes: node }),
      ...(rule !== null && { rules: rule }),
      ...(sinceMs !== null && { sinceMs }),
      ...(cursor !== null && { cursor }),
      limit,
    });
    return answer({ detections: page.detections.map(present), cursor: page.cursor });
  },
});

function present({ uid, atMs, detection }: DetectionEvent) {
  const known = DETECTION_RULES.find(({ id }) => id === detection.rule);
  return {
    ...detection,
    id: uid,
    atMs,
    title: known?.title ?? detection.rule,
    check: known?.check ?? '',
    technique: known?.attack.id ?? '',
    techniqueName: known?.attack.name ?? '',
    tactic: known?.attack.tactic.name ?? '',
  };
}
