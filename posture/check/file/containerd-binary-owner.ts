import { ownerCheck } from './mode-and-owner.ts';

export const containerdBinaryOwner = ownerCheck({
  id: 'file.containerd-binary-owner',
  title: 'The containerd program belongs to root',
  severity: 'high',
  role: 'containerdBinary',
  rationale:
    'Containerd runs as root and starts every container: the owner of the file can put a program of his own in its place.',
  remediation:
    'chown root:root on containerd, then install the package again: an unexpected owner means that the file may have been exchanged.',
});
