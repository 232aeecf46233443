import { PROCESSES_NOT_VISIBLE } from '../../fact/unobserved.ts';
import type { Unobserved } from '../../fact/unobserved.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** Entries that one finding lists. */
const MAX_EVIDENCE = 20;

export const unobserved = nodeCheck({
  id: 'runtime.unobserved',
  title: 'All containers and engines are inspected',
  failTitle: 'Some containers or engines are not inspected',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'No check judges a container that is not inspected: what it can do on the host stays unnoticed. This affects containers of an engine that is stopped, hangs or refuses the agent, and containers that were started without an engine.',
  remediation:
    'Start the engine, or give the agent access to it: docker-host and runtime-endpoint name the endpoints; docker-tls-ca, docker-tls-cert and docker-tls-key name the certificates for an engine on TCP. Containers of Podman need its API socket: systemctl enable --now podman.socket. Stop containers that none of your engines has started (ctr, runc), or waive the finding.',
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
    // Engines first: an engine that is not inspected explains many containers.
    const ordered = entries.toSorted((one, other) => rank(one) - rank(other) || (one.id < other.id ? -1 : 1));
    const shown = ordered.slice(0, MAX_EVIDENCE).map(evidenceOf);
    const [first] = shown;
    const rest = ordered.length - 1;
    const reason = `not inspected: ${first?.seen ?? ''}${rest === 0 ? '' : `; and ${String(rest)} more`}`;
    if (ordered.length === shown.length) return fail(reason, ...shown);
    const more = `and ${String(ordered.length - shown.length)} more`;
    return fail(reason, ...shown, { source: fact.source, seen: more, expected: 'all are inspected' });
  },
});

const rank = ({ kind }: Unobserved): number => (kind === 'engine' ? 0 : 1);

function evidenceOf({ kind, id, name, pid, engine, reason }: Unobserved): Evidence {
  const source = pid > 0 ? `/proc/${String(pid)}/cgroup` : engine || id;
  const subject = kind === 'engine' ? `engine ${name || id}` : `${kind} ${name || id}`;
  return { source, seen: quote(`${subject}: ${reason}`), expected: 'inspected through its engine' };
}
