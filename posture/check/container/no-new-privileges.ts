import { sourceOf } from '../../fact/container.ts';
import type { Declared } from '../../fact/container.ts';
import { fail, failAs, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { execCommand, notSeen, passOnEveryThread } from '../container-reading.ts';
import { daemonGivesNoNewPrivileges } from '../declared-privilege.ts';

export const noNewPrivileges = containerCheck({
  id: 'container.no-new-privileges',
  title: 'Processes cannot gain privileges',
  failTitle: 'Processes can gain new privileges',
  judgedBy: 'effect',
  severity: 'medium',
  severityLevels: [
    { severity: 'medium', when: 'a process can gain privileges' },
    { severity: 'low', when: 'only a process that docker exec starts can gain privileges' },
  ],
  rationale:
    'Without no_new_privs, a set-user-ID or file-capability program in the image gives an intruder root or capabilities that the service had dropped.',
  remediation:
    'Start the container with --security-opt no-new-privileges, or set "no-new-privileges": true in daemon.json for all new containers. In a pod, set allowPrivilegeEscalation to false.',
  references: [
    'https://docs.docker.com/reference/cli/docker/container/run/#security-opt',
    'https://docs.kernel.org/userspace-api/no_new_privs.html',
  ],
  judges: 'container',
  needs: ['docker'],
  engineSettings: ['api', 'process', 'file'],
  judge: (container, { docker }) => {
    const { noNewPrivs } = container;
    const declared: Evidence = {
      source: sourceOf(container, 'noNewPrivileges'),
      seen: declaredWord(container.declared),
      expected: 'no-new-privileges',
    };
    if (noNewPrivs.state !== 'seen')
      return container.declared.noNewPrivileges === false
        ? fail('the container was started with no-new-privileges=false', declared)
        : notSeen(noNewPrivs, declared);
    const seen = `NoNewPrivs: ${noNewPrivs.value ? '1' : '0'}`;
    const kernel = { source: noNewPrivs.source, seen, expected: 'NoNewPrivs: 1 on every thread' };
    if (!noNewPrivs.value) return fail('a set-user-ID program raises the privileges of a process', kernel, declared);
    // `docker exec` does not set what the processes set themselves.
    const isGiven = container.declared.noNewPrivileges ?? daemonGivesNoNewPrivileges(docker);
    if (isGiven === false)
      return failAs('low', `${execCommand(container)} starts the next process without no_new_privs`, kernel, declared);
    if (isGiven === undefined)
      return unknownBecause(
        'the daemon did not answer, so its default for the next process is unknown',
        kernel,
        declared,
      );
    return passOnEveryThread(container, kernel, declared);
  },
});

function declaredWord({ noNewPrivileges }: Declared): string {
  if (noNewPrivileges === null) return 'nothing asked for';
  return noNewPrivileges ? 'no-new-privileges' : 'no-new-privileges=false';
}
