import { fail, pass } from '../../verdict.ts';
import { evidenceOf, inEffect, sshCheck } from './setting.ts';
import { matchesWildcard } from './wildcard.ts';

/** Each makes the shell or the dynamic linker of a login run code that the client chooses. */
const DANGEROUS = ['LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'BASH_ENV', 'ENV', 'PATH'];

export const acceptEnvironment = sshCheck({
  id: 'ssh.accept-environment',
  title: 'SSH clients cannot set unsafe variables',
  failTitle: 'SSH clients can set unsafe variables',
  severity: 'medium',
  rationale: 'A client that can send LD_PRELOAD gets a shell despite a forced command or a restricted shell.',
  remediation: 'List single variables in AcceptEnv (LANG LC_* is the usual list), not * or LD_*, and reload sshd.',
  keywords: ['AcceptEnv'],
  judge: ({ AcceptEnv: accepted }) => {
    const patterns = accepted.values.flatMap((value) => value.split(/\s+/));
    const evidence = evidenceOf(accepted, 'no pattern that matches LD_PRELOAD, PATH and the like');
    return patterns.some((pattern) => DANGEROUS.some((name) => matchesWildcard(pattern, name)))
      ? fail(`clients can send variables that load code: ${inEffect(accepted)}`, evidence)
      : pass(evidence);
  },
});
