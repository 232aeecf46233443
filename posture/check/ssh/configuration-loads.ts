import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { withoutServer } from './setting.ts';

export const configurationLoads = nodeCheck({
  id: 'ssh.configuration-loads',
  title: 'sshd accepts its configuration',
  failTitle: 'sshd rejects its configuration',
  judgedBy: 'configuration',
  severity: 'medium',
  rationale:
    'sshd exits at a line that it does not accept: a reload or the next boot leaves the host without SSH, and until then the running sshd uses an older configuration than the files contain.',
  remediation: 'Run sshd -t, correct the line that it names, and reload sshd.',
  references: ['https://man.openbsd.org/sshd_config'],
  judges: 'sshd',
  needs: ['sshd'],
  judge: ({ sshd: { present, loads } }) => {
    const unserved = withoutServer(present);
    if (unserved !== undefined) return unserved;
    if (loads.state === 'unreadable') return unknownBecause(`${loads.source}: ${loads.reason}`);
    const expected = 'sshd accepts every line';
    if (loads.state === 'absent')
      return fail('sshd does not start without its configuration file', {
        source: loads.source,
        seen: 'the file does not exist',
        expected,
      });
    const { accepted, reason } = loads.value;
    const seen = accepted ? 'every line is accepted' : quote(`refused: ${reason}`);
    const evidence = { source: loads.source, seen, expected };
    return accepted ? pass(evidence) : fail('sshd does not start again with this configuration', evidence);
  },
});
