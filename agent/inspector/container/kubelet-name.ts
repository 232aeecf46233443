import type { RuntimeContainer } from '../../../posture/fact/container.ts';
import { workloadOf } from '../../runtime/cri/pod.ts';

/**
 * The names that the kubelet gives containers of Docker through dockershim or cri-dockerd:
 * `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`, with a further random part where that name was taken. The names of
 * Kubernetes contain no underscore (RFC 1123); the container that holds the namespaces of a pod is called `POD`.
 */
const KUBELET_NAME =
  /^k8s_(?:POD|[a-z0-9-]{1,63})_([a-z0-9][a-z0-9.-]{0,252})_([a-z0-9][a-z0-9-]{0,62})_([\da-f-]{8,64})_\d{1,10}(?:_[\da-f]{1,16})?$/;

/**
 * The pod of a container whose runtime knows no pods. Anybody can choose the name of a container, so it counts only where
 * it names the pod in whose cgroup the kubelet put the container (`podUid`). undefined: it belongs to no pod, or the two
 * differ.
 */
export function podOfName(
  name: string,
  podUid: string,
): Pick<RuntimeContainer, 'pod' | 'namespace' | 'workload'> | undefined {
  const [, pod, namespace, uid] = KUBELET_NAME.exec(name) ?? [];
  if (podUid === '' || uid !== podUid || pod === undefined || namespace === undefined) return undefined;
  return { pod, namespace, workload: workloadOf(pod) };
}
