import { allOf } from '../combine.ts';
import { goDurationMs } from './go-duration.ts';
import { judgeSetting, kubeletCheck } from './setting.ts';
import type { KubeletRule } from './setting.ts';

const RULES: readonly KubeletRule[] = [
  {
    setting: 'evictionHard',
    expected: 'thresholds',
    accepts: (value) => value !== '',
    problem: 'no pod is evicted when the node runs out of memory or disk',
    remedy: 'evictionHard: {memory.available: 100Mi, nodefs.available: 10%, imagefs.available: 15%}',
  },
  {
    setting: 'imageGCHighThresholdPercent',
    expected: 'less than 100',
    accepts: (value) => Number(value) < 100,
    problem: 'unused images are never removed',
    remedy: 'imageGCHighThresholdPercent: 85',
  },
  {
    setting: 'imageMinimumGCAge',
    expected: 'a duration',
    accepts: (value) => goDurationMs(value) !== undefined,
    problem: 'the age of images is not a duration',
    remedy: 'imageMinimumGCAge: 2m',
  },
];

export const garbageCollection = kubeletCheck({
  id: 'kubelet.garbage-collection',
  title: 'Kubelet removes images and pods before resources end',
  failTitle: 'Kubelet lets images or pods use up the resources',
  severity: 'info',
  rationale:
    'Without thresholds one pod fills the disk or the memory of the node, and everything on it stops, the kubelet included.',
  remediation:
    'Remove evictionHard, imageGCHighThresholdPercent and imageMinimumGCAge from the configuration of the kubelet, which has good defaults, or set thresholds.',
  judge: (kubelet) =>
    allOf(
      'info',
      RULES.map((rule) => judgeSetting(kubelet, rule)),
    ),
});
