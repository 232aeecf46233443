import { ownerCheck } from './mode-and-owner.ts';

export const containerdSocketOwner = ownerCheck({
  id: 'file.containerd-socket-owner',
  title: 'The containerd socket belongs to root',
  severity: 'high',
  role: 'containerdSocket',
  rationale:
    'containerd has no notion of users: each account that reaches its socket can start a privileged container, below the view of Docker.',
  remediation: 'Remove uid and gid from the [grpc] table of the containerd configuration and restart containerd.',
});
