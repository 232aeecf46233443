import { fail, manual } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quoteList } from '../evidence-text.ts';

/** Names of SSH server processes as `/proc/PID/comm` (15 characters at most) and `/proc/PID/exe` show them. */
const SERVERS = new Set(['sshd', 'sshd-session', 'sshd-auth', 'dropbear', 'dropbearmulti', 'tinysshd']);

export const sshServer = containerCheck({
  id: 'container.ssh-server',
  title: 'No container runs an SSH server',
  severity: 'medium',
  rationale:
    'A shell service in a container is a second way in, with keys and accounts that nobody manages and logins that the log of the node does not show.',
  remediation:
    'Remove the SSH server from the image. Use docker exec or kubectl exec, which are authorised and logged.',
  references: ['https://docs.docker.com/reference/cli/docker/container/exec/'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const { programs } = container;
    if (programs.state !== 'seen') return notSeen(programs);
    const servers = programs.value.filter((program) => SERVERS.has(program));
    const expected = 'no SSH server among the processes';
    if (servers.length > 0) return fail({ source: programs.source, seen: quoteList(servers), expected });
    const names = { source: programs.source, seen: quoteList(programs.value), expected };
    // A program can be called anything: what is published as the port of SSH is for a person to look at.
    const published = container.declared.ports.filter(({ containerPort }) => containerPort === '22/tcp');
    if (published.length === 0) return passOnEveryThread(container, names);
    const ports = published.map(({ hostIp, hostPort }) => `${hostIp}:${String(hostPort)}`);
    const port = {
      source: 'inspect NetworkSettings.Ports',
      seen: `22/tcp at ${quoteList(ports)}`,
      expected: 'not published',
    };
    return manual('the port of SSH is published, and no program has the name of an SSH server', port, names);
  },
});
