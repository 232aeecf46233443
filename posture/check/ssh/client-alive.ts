import { fail, pass } from '../../verdict.ts';
import { secondsOf } from './seconds.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const clientAlive = sshCheck({
  id: 'ssh.client-alive',
  title: 'Dead sessions are ended',
  severity: 'low',
  rationale:
    'A session whose client is gone stays open with all its rights, for whoever finds the connection. 0 in either setting means that it is never ended.',
  remediation: 'Set ClientAliveInterval 300 and ClientAliveCountMax 3 (neither 0) and reload sshd.',
  keywords: ['ClientAliveInterval', 'ClientAliveCountMax'],
  judge: ({ ClientAliveInterval: interval, ClientAliveCountMax: count }) => {
    const seconds = secondsOf(interval.value) ?? 0;
    const times = /^\d{1,9}$/.test(count.value) ? Number(count.value) : 0;
    const evidence = [evidenceOf(interval, '1 to 300 seconds'), evidenceOf(count, '1 to 3')];
    return seconds >= 1 && seconds <= 300 && times >= 1 && times <= 3 ? pass(...evidence) : fail(...evidence);
  },
});
