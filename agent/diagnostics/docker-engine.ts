import { ok, problem, warning } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import { clip } from '../inspector/clip.ts';
import type { ReplyFailure } from '../runtime/runtime.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** An engine that takes longer to say its version has more to do than it should. */
const SLOW_MS = 500;

const NAME_SOCKET = 'name the socket of dockerd with --docker-host';

/** Is there an engine, does it let us in, and how fast does it answer? */
export const dockerEngine: NodeDiagnostic = Object.freeze({
  id: 'docker.engine',
  group: 'docker',
  title: 'engine',
  run: async ({ access: { runtime }, dockerHostGiven, uid }: NodeSubject) => {
    const startedMs = performance.now();
    const reply = await runtime.version();
    const tookMs = Math.round(performance.now() - startedMs);
    const place = runtime.endpoint;
    if (!reply.ok) return refused(reply, { place, dockerHostGiven, uid });
    const { version, apiVersion } = reply.value;
    if (version === '') return problem(`the service at ${place} is not a Docker engine`, NAME_SOCKET);
    const seen = `${clip(version, 64)}, API ${clip(apiVersion, 16)}, answered in ${String(tookMs)} ms at ${place}`;
    return tookMs < SLOW_MS ? ok(seen) : warning(seen, 'the engine is slow to answer: is the machine overloaded?');
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
        ? 'an authorisation plugin or a security module refuses it: let GET requests of this program through'
        : 'run the agent as root, or add this user to the group of the socket, which gives it as much as root has',
    );
  if (code === 'absent' && !dockerHostGiven)
    return warning(
      `no engine found: ${place}: ${reason}`,
      'containers and images are not judged here; is dockerd to run, start it, or name its socket with --docker-host',
    );
  if (code === 'absent')
    return problem(
      `${place}: ${reason}`,
      'start that engine, or correct docker-host (DOCKER_HOST counts where nothing else is set)',
    );
  if (code === 'malformed') return problem(`${place}: ${reason}`, NAME_SOCKET);
  return problem(`${place}: ${reason}`, 'the engine does not answer as it should: see its log (journalctl -u docker)');
}
