import { modeCheck } from './mode-and-owner.ts';

export const containerdSocketMode = modeCheck({
  id: 'file.containerd-socket-mode',
  title: 'Only root and its group can open the containerd socket',
  severity: 'critical',
  role: 'containerdSocket',
  allowed: 0o660,
  rationale: 'Who can open this socket is root on the node: containerd starts any container with any mount for him.',
  remediation:
    'Restart containerd, which creates the socket with mode 0660, and look for what widened it (a unit with ExecStartPost, a provisioning script).',
});
