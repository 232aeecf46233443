import { DETECTION_RULE_IDS } from '../../api/detection.ts';
import type { DetectionRuleId } from '../../api/detection.ts';
import { readPeriod } from '../period.ts';
import type { Period } from '../period.ts';

/** Which detections are listed; empty fields match all. */
export interface DetectionFilter {
  readonly rule: DetectionRuleId | '';
  /** Id of a node. */
  readonly nodeId: string;
  /** Only those of the last hour, day or week. */
  readonly since: Period | '';
}

/** Matches all detections. */
export const NO_DETECTION_FILTER: DetectionFilter = Object.freeze({ rule: '', nodeId: '', since: '' });

/** Longest id of a node. */
const MAX_NODE = 512;

/** The filter that the query part of a hash names. A rule that does not exist is left out. */
export function readDetectionFilter(params: URLSearchParams): DetectionFilter {
  return {
    rule: DETECTION_RULE_IDS.find((id) => id === params.get('rule')) ?? '',
    nodeId: (params.get('node') ?? '').slice(0, MAX_NODE),
    since: readPeriod(params),
  };
}

/** The query part for a filter, without `?`; empty where it matches all. */
export function writeDetectionFilter({ rule, nodeId, since }: DetectionFilter): string {
  const params = new URLSearchParams();
  if (rule !== '') params.set('rule', rule);
  if (nodeId !== '') params.set('node', nodeId);
  if (since !== '') params.set('since', since);
  return params.toString();
}
