import { modeCheck } from './mode-and-owner.ts';

export const dockerServerKeyMode = modeCheck({
  id: 'file.docker-server-key-mode',
  title: "Only root can read the private key of Docker's TCP port",
  severity: 'high',
  role: 'dockerServerKey',
  allowed: 0o400,
  milder: { allowed: 0o600, severity: 'low' },
  rationale:
    'With the private key anybody on the way can pose as this daemon and collect what clients send it, registry credentials among them.',
  remediation: 'chmod 0400 on the file that --tlskey names; issue a new key if others could read it.',
});
