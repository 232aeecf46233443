import { fail, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';
import { matchesWildcard } from './wildcard.ts';

/** Each makes the shell or the dynamic linker of a login run code of the client's choice. */
const DANGEROUS = ['LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'BASH_ENV', 'ENV', 'PATH'];

export const acceptEnvironment = sshCheck({
  id: 'ssh.accept-environment',
  title: 'Clients cannot send variables that load code',
  severity: 'medium',
  rationale:
    'A client that may send LD_PRELOAD gets a shell where a forced command or a restricted shell was meant to hold it.',
  remediation: 'Name the variables that AcceptEnv takes (LANG LC_* is the usual list), never * or LD_*; reload sshd.',
  keywords: ['AcceptEnv'],
  judge: ({ AcceptEnv: accepted }) => {
    const patterns = accepted.values.flatMap((value) => value.split(/\s+/));
    const evidence = evidenceOf(accepted, 'no pattern that matches LD_PRELOAD, PATH and the like');
    return patterns.some((pattern) => DANGEROUS.some((name) => matchesWildcard(pattern, name)))
      ? fail(evidence)
      : pass(evidence);
  },
});
