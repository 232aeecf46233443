import t from 'tap';
import { sshServer } from '../../../../posture/check/container/ssh-server.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const programs = (...names: readonly string[]) => seen(names, '/proc/4121/status');

judgeContainers(t, sshServer, [
  { name: 'none', verdict: 'pass', seen: ['sleep'] },
  { name: 'OpenSSH', container: { programs: programs('nginx', 'sshd') }, verdict: 'fail', seen: ['sshd'] },
  { name: 'a session of OpenSSH 9.8', container: { programs: programs('sshd-session') }, verdict: 'fail' },
  { name: 'Dropbear', container: { programs: programs('dropbear') }, verdict: 'fail' },
  { name: 'the agent is no server', container: { programs: programs('ssh-agent', 'ssh') }, verdict: 'pass' },
  { name: 'not every process was read', container: { complete: false }, verdict: 'unknown' },
  {
    name: 'found among those that were read',
    container: { programs: programs('sshd'), complete: false },
    verdict: 'fail',
  },
  {
    name: 'not readable',
    container: { programs: unreadable('/proc/4121/status', 'permission denied (EACCES)') },
    verdict: 'unknown',
  },
  {
    name: 'the port is published, whatever the program is called',
    container: {
      programs: programs('nginx'),
      declared: { ports: [{ containerPort: '22/tcp', hostIp: '0.0.0.0', hostPort: 2222 }] },
    },
    verdict: 'manual',
    seen: ['22/tcp at 0.0.0.0:2222', 'nginx'],
    reason: /SSH port/,
  },
  { name: 'gone', container: { programs: absent('/proc/4121/status') }, verdict: 'unknown', reason: /ended/ },
]);
