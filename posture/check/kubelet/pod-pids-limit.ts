import { settingCheck } from './setting.ts';

export const podPidsLimit = settingCheck({
  id: 'kubelet.pod-pids-limit',
  title: 'Kubelet limits the processes of each pod',
  failTitle: 'Kubelet does not limit the processes of pods',
  severity: 'medium',
  rationale:
    'A pod without a limit can take every process id of the node and stop all others, by accident or on purpose.',
  remediation: 'Set podPidsLimit, 1024 for example, in the configuration of the kubelet, and restart it.',
  rule: {
    setting: 'podPidsLimit',
    expected: 'more than 0',
    accepts: (value) => Number(value) > 0,
    problem: 'pods have no limit of processes',
    remedy: 'podPidsLimit: 1024',
  },
});
