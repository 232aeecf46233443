import { ok, problem, warning } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import { clip } from '../inspector/clip.ts';
import type { ReplyFailure } from '../runtime/runtime.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** An engine that takes longer to report its version is overloaded. */
const SLOW_MS = 500;

const NAME_SOCKET = 'name the socket of dockerd with --docker-host';

/** Does an engine run, does it grant access, and how fast does it answer? */
export const dockerEngine: NodeDiagnostic = Object.freeze({
  id: 'docker-engine',
  title: 'Docker engine',
  run: async ({ access: { runtime }, dockerHostGiven, uid }: NodeSubject) => {
    const startedMs = performance.now();
    const reply = await runtime.version();
    const tookMs = Math.round(performance.now() - startedMs);
    const place = runtime.endpoint;
    if (!reply.ok) return refused(reply, { place, dockerHostGiven, uid });
    const { version, apiVersion } = reply.value;
    if (version === '') return problem(`the service at ${place} is not a Docker engine`, NAME_SOCKET);
    const seen = `${clip(version, 64)}, API ${clip(apiVersion, 16)}, answered in ${String(tookMs)} ms at ${place}`;
    return tookMs < SLOW_MS ? ok(seen) : warning(seen, 'the engine answers slowly: check the load of the machine');
  },
});

interface Asked {
  readonly place: string;
  readonly dockerHostGiven: boolean;
  readonly uid: number;
}

function refused({ code, reason }: ReplyFailure, { place, dockerHostGiven, uid }: Asked): DiagnosticResult {
  if (code === 'denied')
    return problem(
      `${place}: ${reason}`,
      uid === 0
        ? 'an authorisation plugin or a security module refuses it: allow GET requests of this program'
        : 'run the agent as root, or add this user to the group of the socket, which is equivalent to root',
    );
  if (code === 'absent' && !dockerHostGiven)
    return warning(
      `no engine found: ${place}: ${reason}`,
      'containers and images are not judged here; if dockerd should run, start it, or name its socket with --docker-host',
    );
  if (code === 'absent')
    return problem(`${place}: ${reason}`, 'start that engine, or correct docker-host (default: DOCKER_HOST)');
  if (code === 'malformed') return problem(`${place}: ${reason}`, NAME_SOCKET);
  return problem(`${place}: ${reason}`, 'the engine failed to answer: see its log (journalctl -u docker)');
}
