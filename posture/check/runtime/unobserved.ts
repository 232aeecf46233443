import { PROCESSES_NOT_VISIBLE } from '../../fact/unobserved.ts';
import type { Unobserved } from '../../fact/unobserved.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** More would make the finding longer, not clearer. */
const MAX_EVIDENCE = 20;

export const unobserved = nodeCheck({
  id: 'runtime.unobserved',
  title: 'Every container and container engine of the host is inspected',
  severity: 'high',
  rationale:
    'A container that runs without being inspected is judged by no check: whatever it may do on the host stays unnoticed. That is so for containers of an engine that is stopped, hangs, refuses the agent or was never asked, and for containers that were started without an engine.',
  remediation:
    'Start the engine, or give the agent access to it: docker-host names the endpoints, docker-tls-ca, docker-tls-cert and docker-tls-key the certificates for an engine on TCP. Stop containers that no engine of yours has started (ctr, runc, podman), or accept them with a waiver.',
  references: [
    'https://docs.docker.com/engine/daemon/live-restore/',
    'https://docs.docker.com/engine/security/protect-access/',
    'https://man7.org/linux/man-pages/man7/cgroups.7.html',
  ],
  judges: 'node',
  needs: ['unobserved'],
  judge: ({ unobserved: fact }) => {
    if (fact.state === 'unreadable') return unknownBecause(`${fact.source}: ${fact.reason}`);
    const all = fact.state === 'seen' ? fact.value.filter(({ kind }) => kind !== 'image') : [];
    const entries = all.filter(({ id }) => id !== PROCESSES_NOT_VISIBLE);
    const hidden = all.find(({ id }) => id === PROCESSES_NOT_VISIBLE);
    if (entries.length === 0 && hidden !== undefined) return unknownBecause(`${hidden.id}: ${hidden.reason}`);
    if (entries.length === 0)
      return pass({ source: fact.source, seen: 'no other container or engine', expected: 'all are inspected' });
    // Engines first: one of them explains many containers.
    const ordered = entries.toSorted((one, other) => rank(one) - rank(other) || (one.id < other.id ? -1 : 1));
    const shown = ordered.slice(0, MAX_EVIDENCE).map(evidenceOf);
    if (ordered.length === shown.length) return fail(...shown);
    const more = `and ${String(ordered.length - shown.length)} more`;
    return fail(...shown, { source: fact.source, seen: more, expected: 'all are inspected' });
  },
});

const rank = ({ kind }: Unobserved): number => (kind === 'engine' ? 0 : 1);

function evidenceOf({ kind, id, name, pid, engine, reason }: Unobserved): Evidence {
  const source = pid > 0 ? `/proc/${String(pid)}/cgroup` : engine || id;
  const subject = kind === 'engine' ? `engine ${name || id}` : `container ${name || id}`;
  return { source, seen: quote(`${subject}: ${reason}`), expected: 'inspected through its engine' };
}
