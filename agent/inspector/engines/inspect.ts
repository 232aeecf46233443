import type { EnginesFact } from '../../../posture/fact/engines.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { NodeAccess } from '../../node-access.ts';
import { inspectDocker, watchedPathsOf } from '../docker/inspect.ts';
import type { Inspector } from '../inspector.ts';
import { mapBounded } from '../map-bounded.ts';

const CONCURRENCY = 4;
/** Where a runtime may come to listen that is not known yet. */
const USUAL_SOCKETS = [
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/podman/podman.sock',
];

/** The container engines of the node beside the one that the fact `docker` is about. */
export const enginesInspector: Inspector<'engines'> = {
  fact: 'engines',
  needs: [],
  inspect: inspectEngines,
  watches: ({ engines }) => [...new Set([...engines.flatMap(watchedPathsOf), ...USUAL_SOCKETS])],
};

async function inspectEngines(access: NodeAccess, known: Partial<Facts>): Promise<EnginesFact> {
  const others = await access.engines.others(access.host);
  return mapBounded(others, CONCURRENCY, (runtime) => inspectDocker({ ...access, runtime }, known));
}
