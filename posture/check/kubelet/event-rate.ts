import { settingCheck } from './setting.ts';

/** The default since Kubernetes 1.27. */
const DEFAULT_RATE = 50;

export const eventRate = settingCheck({
  id: 'kubelet.event-rate',
  title: 'Kubelet sends enough events',
  failTitle: 'Kubelet drops events early',
  severity: 'info',
  rationale:
    'Events beyond the limit are dropped: during an attack or an outage those that explain it are missing. Releases before 1.27 limit to 5 a second.',
  remediation:
    'Set eventRecordQPS: 50 in the configuration of the kubelet, and restart it. 0 removes the limit, so that a crashing pod can flood the API server.',
  rule: {
    setting: 'eventRecordQPS',
    expected: `${String(DEFAULT_RATE)} or more a second`,
    accepts: (value) => Number(value) >= DEFAULT_RATE,
    problem: 'events are dropped beyond the limit',
    remedy: `eventRecordQPS: ${String(DEFAULT_RATE)}`,
  },
});
