import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';

/** Domains of container runtimes, kubelets, containers and init: permissive, they are not confined at all. */
const CONTAINER_DOMAIN = /^(?:container|spc_t|svirt|kubelet|docker|crio|init_t|unconfined)/;

/** Checks of measurement and of gaps in SELinux, sorted by id. */
export const INTEGRITY_CHECKS: readonly NodeCheck[] = Object.freeze([
  nodeCheck({
    id: 'kernel.integrity-measurement',
    title: 'Kernel measures programs (IMA)',
    failTitle: 'Kernel does not measure programs (IMA)',
    judgedBy: 'effect',
    severity: 'low',
    rationale:
      'With the integrity measurement architecture, the TPM holds a record of every program that ran, which an attacker with root cannot change afterwards.',
    remediation: 'Boot with ima_policy=tcb on machines with a TPM, and let an attestation service read the list.',
    references: ['https://docs.kernel.org/security/IMA-templates.html'],
    judges: 'node',
    needs: ['kernel'],
    judge: ({ kernel: { imaMeasures: measures, imaViolations: violations } }) => {
      if (measures.state === 'unreadable') return unknownBecause(`${measures.source}: ${measures.reason}`);
      if (measures.state === 'absent') return notApplicable('this kernel has no integrity measurement');
      const evidence = {
        source: measures.source,
        seen: measures.value ? 'files are measured' : 'the boot aggregate alone',
        expected: 'measurements of files',
      };
      if (!measures.value) return fail('no policy of IMA is loaded', evidence);
      if (violations.state === 'unreadable')
        return unknownBecause(`${violations.source}: ${violations.reason}`, evidence);
      const count = violations.state === 'seen' ? violations.value : 0;
      const changed = { source: violations.source, seen: `${String(count)} violations`, expected: '0 violations' };
      return count === 0 ? pass(evidence, changed) : fail('files changed while they were measured', changed, evidence);
    },
  }),
  nodeCheck({
    id: 'kernel.selinux-exceptions',
    title: 'SELinux enforces every domain of containers',
    failTitle: 'SELinux does not enforce domains of containers',
    judgedBy: 'effect',
    severity: 'medium',
    rationale:
      'A permissive domain is recorded and not confined, while the mode of the host is still enforcing. checkreqprot lets a program choose which of its memory mappings are judged.',
    remediation: 'Run semanage permissive -d DOMAIN for each, and boot without checkreqprot=1.',
    references: ['https://docs.redhat.com/en/documentation/red_hat_enterprise_linux/9/html/using_selinux/index'],
    judges: 'node',
    needs: ['kernel', 'host'],
    judge: ({ kernel: { selinux, selinuxCheckreqprot: requested }, host: { permissiveDomains: domains } }) => {
      if (selinux.state === 'absent' || (selinux.state === 'seen' && selinux.value === 'disabled'))
        return notApplicable('SELinux is not active; see kernel.mandatory-access-control');
      const unread = [selinux, requested, domains].flatMap((each) =>
        each.state === 'unreadable' ? [`${each.source}: ${each.reason}`] : [],
      );
      const all = domains.state === 'seen' ? domains.value : [];
      const failed = all
        .filter((domain) => CONTAINER_DOMAIN.test(domain))
        .map((domain) => ({ source: domains.source, seen: `${domain} is permissive`, expected: 'enforced' }));
      if (requested.state === 'seen' && requested.value)
        failed.push({ source: requested.source, seen: '1', expected: '0' });
      return judgeList({
        failed,
        unread,
        passed: {
          source: domains.source,
          seen: all.length === 0 ? 'no permissive domain' : `permissive: ${quoteList(all)}`,
          expected: 'no permissive domain of containers',
        },
        reason: 'SELinux has a gap',
      });
    },
  }),
]);
