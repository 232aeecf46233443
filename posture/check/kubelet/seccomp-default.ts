import { settingCheck } from './setting.ts';

export const seccompDefault = settingCheck({
  id: 'kubelet.seccomp-default',
  title: 'Kubelet applies seccomp where pods set none',
  failTitle: 'Kubelet runs pods without seccomp by default',
  severity: 'high',
  rationale:
    'Kubernetes runs pods that name no seccomp profile without any filter: every system call of the kernel is open to them.',
  remediation:
    'Set seccompDefault: true in the configuration of the kubelet (Kubernetes 1.25 or newer; 1.22 to 1.24 with the feature gate SeccompDefault), and restart it.',
  rule: {
    setting: 'seccompDefault',
    expected: 'true',
    accepts: (value) => value === 'true',
    problem: 'pods without a profile run unconfined',
    remedy: 'seccompDefault: true',
  },
});
