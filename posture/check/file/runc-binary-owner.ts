import { ownerCheck } from './mode-and-owner.ts';

export const runcBinaryOwner = ownerCheck({
  id: 'file.runc-binary-owner',
  title: 'The runc program belongs to root',
  severity: 'high',
  role: 'runcBinary',
  rationale:
    'Runc is run as root for every container that starts and for every exec: the owner of the file can put a program of his own in its place.',
  remediation:
    'chown root:root on runc, then install the package again: an unexpected owner means that the file may have been exchanged.',
});
