import { ownerCheck } from './mode-and-owner.ts';

export const dockerdBinaryOwner = ownerCheck({
  id: 'file.dockerd-binary-owner',
  title: 'The dockerd program belongs to root',
  severity: 'high',
  role: 'dockerdBinary',
  rationale:
    'Systemd starts dockerd as root at every boot: the owner of the file can put a program of his own in its place.',
  remediation:
    'chown root:root on dockerd, then install the package again: an unexpected owner means that the file may have been exchanged.',
});
