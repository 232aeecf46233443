import t from 'tap';
import type { Check } from '../../../api/check.ts';
import { matchingChecks } from '../../../console/check/check-filter.ts';
import type { CheckFilter } from '../../../console/check/check-filter.ts';

function checkOf(id: string, severity: Check['severity'], more: Partial<Check> = {}): Check {
  const plain = {
    title: id,
    failTitle: `not ${id}`,
    judgedBy: 'effect',
    severityLevels: [],
    judges: 'container',
    rationale: '',
    remediation: '',
    needs: [],
    references: [],
    controls: [],
  };
  return { id, severity, ...plain, ...more };
}

const CHECKS = [
  checkOf('ssh.root-login', 'high', { title: 'Root cannot sign in', judges: 'sshd' }),
  checkOf('container.health', 'low', { controls: [{ benchmark: 'cis-docker-1.8.0', control: '4.6' }] }),
  checkOf('container.privileged', 'critical', {
    severityLevels: [
      { severity: 'critical', when: 'it controls the host' },
      { severity: 'medium', when: 'it does not' },
    ],
    rationale: 'A Privileged container has all devices.',
  }),
  checkOf('daemon.live-restore', 'low', { judges: 'docker', needs: ['kernel'] }),
];

void t.test('all words must be found, in any field and any case; the worst comes first', async (t) => {
  const cases: readonly (readonly [Partial<CheckFilter>, readonly string[]])[] = [
    [{}, ['container.privileged', 'ssh.root-login', 'container.health', 'daemon.live-restore']],
    [{ text: 'CONTAINER' }, ['container.privileged', 'container.health']],
    [{ text: ' devices  container ' }, ['container.privileged']],
    [{ text: 'docker 4.6' }, ['container.health']],
    [{ text: 'sshd' }, ['ssh.root-login']],
    [{ text: 'kernel' }, ['daemon.live-restore']],
    [{ text: 'nothing has this' }, []],
    [{ severities: ['low', 'critical'] }, ['container.privileged', 'container.health', 'daemon.live-restore']],
    [{ severities: ['low'], text: 'live' }, ['daemon.live-restore']],
    [{ severities: ['medium'] }, ['container.privileged']],
    [{ severities: ['info'] }, []],
  ];
  for (const [filter, ids] of cases)
    t.strictSame(
      matchingChecks(CHECKS, { text: '', severities: [], ...filter }).map(({ id }) => id),
      ids,
      JSON.stringify(filter),
    );
});
