import { manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { isoTime } from '../evidence-text.ts';
import { withoutServer } from './setting.ts';

/** Start times come from the boot time in whole seconds. */
const TOLERANCE_MS = 1000;

export const pendingReload = nodeCheck({
  id: 'ssh.pending-reload',
  title: 'sshd runs with its current configuration',
  failTitle: 'sshd runs with an outdated configuration',
  judgedBy: 'effect',
  severity: 'low',
  rationale: 'A hardened file has no effect before sshd reads it, and a weakened one takes effect at the next restart.',
  remediation: 'Run sshd -t, then systemctl reload ssh (sshd on the Red Hat family).',
  references: ['https://man.openbsd.org/sshd'],
  judges: 'sshd',
  needs: ['sshd'],
  judge: ({ sshd: { present, contexts, modifiedAtMs, startedAtMs, files } }) => {
    const unserved = withoutServer(present);
    if (unserved !== undefined || present.state !== 'seen') return unserved ?? unknownBecause(present.source);
    if (present.value === 'enabled') return notApplicable('sshd is enabled, but does not run');
    if (present.value === 'socketActivated')
      return notApplicable('sshd starts for each connection and reads its configuration then');
    if (contexts.state === 'unreadable') return unknownBecause(`${contexts.source}: ${contexts.reason}`);
    if (startedAtMs === 0 || modifiedAtMs === 0)
      return unknownBecause('the start time of sshd or the modification time of its files is unknown');
    const evidence = {
      source: files[0] ?? present.source,
      seen: `modified ${isoTime(modifiedAtMs)}, sshd started ${isoTime(startedAtMs)}`,
      expected: 'no file newer than the running sshd',
    };
    if (modifiedAtMs <= startedAtMs + TOLERANCE_MS) return pass(evidence);
    // A reload keeps the process and its start time, so this proves nothing.
    return manual('a file is newer than the running sshd: reload sshd if that was not done', evidence);
  },
});
