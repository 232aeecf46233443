import { goDurationMs } from './go-duration.ts';
import { settingCheck } from './setting.ts';
import { parameterized } from '../parameter.ts';

const HOUR_MS = 60 * 60 * 1000;

export const streamingIdleTimeout = parameterized(
  { maxHours: { doc: 'hours that an idle session may last', default: 4, minimum: 1, maximum: 168 } },
  ({ maxHours }) =>
    settingCheck({
      id: 'kubelet.streaming-idle-timeout',
      title: 'Kubelet ends idle exec and attach sessions',
      failTitle: 'Kubelet keeps idle exec and attach sessions open',
      severity: 'low',
      rationale:
        'Sessions that never time out hold connections and memory of the node, and a forgotten shell stays open for whoever finds it.',
      remediation: `Remove streamingConnectionIdleTimeout from the configuration of the kubelet (default 4h), or set it to ${String(maxHours)}h or less but not 0. Newer releases leave this to the container runtime (stream_idle_timeout of containerd).`,
      rule: {
        setting: 'streamingConnectionIdleTimeout',
        expected: `more than 0 and at most ${String(maxHours)}h`,
        accepts: (value) => {
          const ms = goDurationMs(value);
          return ms !== undefined && ms > 0 && ms <= maxHours * HOUR_MS;
        },
        problem: 'idle sessions stay open',
        remedy: `streamingConnectionIdleTimeout: ${String(maxHours)}h`,
      },
    }),
);
