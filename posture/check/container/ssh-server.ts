import { sourceOf } from '../../fact/container.ts';
import { fail, manual } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quoteList } from '../evidence-text.ts';

/** Names of SSH server processes as `/proc/PID/comm` (15 characters at most) and `/proc/PID/exe` show them. */
const SERVERS = new Set(['sshd', 'sshd-session', 'sshd-auth', 'dropbear', 'dropbearmulti', 'tinysshd']);

export const sshServer = containerCheck({
  id: 'container.ssh-server',
  title: 'No SSH server runs in the container',
  failTitle: 'SSH server runs in the container',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'An SSH server in a container is a second way in, with unmanaged keys and accounts and with logins that the log of the host does not show.',
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
    if (servers.length > 0)
      return fail(`the SSH server ${quoteList(servers)} runs in the container`, {
        source: programs.source,
        seen: quoteList(servers),
        expected,
      });
    const names = { source: programs.source, seen: quoteList(programs.value), expected };
    // A server can have any program name, so a person must review a published SSH port.
    const published = container.declared.ports.filter(({ containerPort }) => containerPort === '22/tcp');
    if (published.length === 0) return passOnEveryThread(container, names);
    const ports = published.map(({ hostIp, hostPort }) => `${hostIp}:${String(hostPort)}`);
    const port = {
      source: sourceOf(container, 'ports'),
      seen: `22/tcp at ${quoteList(ports)}`,
      expected: 'not published',
    };
    return manual(
      'the SSH port is published, but no program has the name of an SSH server: find out what listens there',
      port,
      names,
    );
  },
});
