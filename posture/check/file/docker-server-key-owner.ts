import { ownerCheck } from './mode-and-owner.ts';

export const dockerServerKeyOwner = ownerCheck({
  id: 'file.docker-server-key-owner',
  title: "The private key of Docker's TCP port belongs to root",
  severity: 'high',
  role: 'dockerServerKey',
  rationale: 'The owner of the key can read it at any time, and pose as this daemon towards every client.',
  remediation: 'chown root:root on the file that --tlskey names, and issue a new key if another account owned it.',
});
