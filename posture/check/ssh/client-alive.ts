import { fail, pass } from '../../verdict.ts';
import { secondsOf } from './seconds.ts';
import { evidenceOf, inEffect, sshCheck } from './setting.ts';

export const clientAlive = sshCheck({
  id: 'ssh.client-alive',
  title: 'Dead SSH sessions are closed in time',
  failTitle: 'Dead SSH sessions are not closed in time',
  severity: 'low',
  rationale:
    'The session of a client that is gone stays open with all its rights. The value 0 in either setting means that it is never closed.',
  remediation: 'Set ClientAliveInterval 300 and ClientAliveCountMax 3 (neither 0) and reload sshd.',
  keywords: ['ClientAliveInterval', 'ClientAliveCountMax'],
  judge: ({ ClientAliveInterval: interval, ClientAliveCountMax: count }) => {
    const seconds = secondsOf(interval.value) ?? 0;
    const times = /^\d{1,9}$/.test(count.value) ? Number(count.value) : 0;
    const evidence = [evidenceOf(interval, '1 to 300 seconds'), evidenceOf(count, '1 to 3')];
    const isBounded = seconds >= 1 && seconds <= 300 && times >= 1 && times <= 3;
    return isBounded
      ? pass(...evidence)
      : fail(`a dead session stays open: ${inEffect(interval)}, ${inEffect(count)}`, ...evidence);
  },
});
