import { goDurationMs } from './go-duration.ts';
import { settingCheck } from './setting.ts';

const MAX_MS = 4 * 60 * 60 * 1000;

export const streamingIdleTimeout = settingCheck({
  id: 'kubelet.streaming-idle-timeout',
  title: 'Kubelet ends idle exec and attach sessions',
  failTitle: 'Kubelet keeps idle exec and attach sessions open',
  severity: 'low',
  rationale:
    'Sessions that never time out hold connections and memory of the node, and a forgotten shell stays open for whoever finds it.',
  remediation:
    'Remove streamingConnectionIdleTimeout from the configuration of the kubelet (default 4h), or set it to 4h or less but not 0. Newer releases leave this to the container runtime (stream_idle_timeout of containerd).',
  rule: {
    setting: 'streamingConnectionIdleTimeout',
    expected: 'more than 0 and at most 4h',
    accepts: (value) => {
      const ms = goDurationMs(value);
      return ms !== undefined && ms > 0 && ms <= MAX_MS;
    },
    problem: 'idle sessions stay open',
    remedy: 'streamingConnectionIdleTimeout: 4h',
  },
});
