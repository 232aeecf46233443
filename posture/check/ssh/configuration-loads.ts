import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { withoutServer } from './setting.ts';

export const configurationLoads = nodeCheck({
  id: 'ssh.configuration-loads',
  title: 'sshd starts with the configuration that is on disk',
  severity: 'medium',
  rationale:
    'sshd stops at a line that it does not accept: a reload or the next boot leaves the node without SSH, and until then the running sshd has an older configuration than the files say.',
  remediation: 'Run sshd -t, correct the line that it names, and reload sshd.',
  references: ['https://man.openbsd.org/sshd_config'],
  judges: 'sshd',
  needs: ['sshd'],
  judge: ({ sshd: { present, loads } }) => {
    const unserved = withoutServer(present);
    if (unserved !== undefined) return unserved;
    if (loads.state === 'unreadable') return unknownBecause(`${loads.source}: ${loads.reason}`);
    const expected = 'sshd accepts every line';
    if (loads.state === 'absent') return fail({ source: loads.source, seen: 'the file does not exist', expected });
    const { accepted, reason } = loads.value;
    const seen = accepted ? 'every line is accepted' : quote(`refused: ${reason}`);
    return accepted ? pass({ source: loads.source, seen, expected }) : fail({ source: loads.source, seen, expected });
  },
});
