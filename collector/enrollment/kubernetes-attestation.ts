import * as s from '../../posture/schema.ts';
import { isNodeId, isNodeUid } from '../../service/tls/node-identity.ts';
import { printable } from '../../kubernetes/api-client.ts';
import type { KubernetesApi, KubernetesResult } from '../../kubernetes/api-client.ts';

/** A node of a Kubernetes cluster, as the API server has confirmed it. */
export interface AttestedNode {
  /** Uid of the Node object. */
  readonly nodeId: string;
  readonly nodeName: string;
  readonly clusterId: string;
  /** The pod of the agent: `namespace/name`. */
  readonly pod: string;
}

/**
 * The outcome of an attestation. unauthorized: the token proves no node of ours · unavailable: the API server could not
 * be asked, so nothing is known. `reason` is for the log, and says more than the sender of the token may learn.
 */
export type Attestation =
  | { readonly ok: true; readonly node: AttestedNode }
  | { readonly ok: false; readonly code: 'unauthorized' | 'unavailable'; readonly reason: string };

/** Finds out on which node of the cluster the pod runs that a service-account token was issued to. */
export type AttestToken = (token: string) => Promise<Attestation>;

/** What an attestation goes by. */
export interface AttestationOptions {
  readonly api: KubernetesApi;
  /** The audience that the token must be for. */
  readonly audience: string;
  /** Service accounts of agents: `namespace/name`. */
  readonly serviceAccounts: readonly string[];
  /** Empty: the uid of the namespace `kube-system`. */
  readonly clusterId: string;
}

/** A JSON Web Signature in its compact form (RFC 7515, 7.1). */
const TOKEN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
/** Tokens of Kubernetes are about 1 KiB. */
export const MAX_SERVICE_ACCOUNT_TOKEN_LENGTH = 8_192;
const USERNAME = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/;
/** DNS subdomain, as names of pods and nodes are (RFC 1123). */
const OBJECT_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const name = s.withDefault(s.string('', 253), '');
const names = s.withDefault(s.list(s.string('', 1_000), '', 100), []);
/** TokenReview (authentication.k8s.io/v1): only its status counts. */
const reviewSchema = s.object({
  status: s.object({
    authenticated: s.withDefault(s.boolean(), false),
    audiences: names,
    error: s.withDefault(s.string(), ''),
    user: s.withDefault(
      s.object({
        username: s.withDefault(s.string('', 1_000), ''),
        extra: s.withDefault(s.record(names, '', 100), {}),
      }),
      { username: '', extra: {} },
    ),
  }),
});
const metadata = s.object({ name, uid: name, deletionTimestamp: name });
const objectSchema = s.object({ metadata });
const podSchema = s.object({
  metadata,
  spec: s.object({ nodeName: name, serviceAccountName: name }),
  status: s.withDefault(s.object({ phase: name }), { phase: '' }),
});

interface PodReference {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * Attests agents by their projected service-account token. The API server verifies the token; the node is the one that
 * the pod of the token was bound to, and nothing that the agent says is used.
 */
export function createAttestation(options: AttestationOptions): AttestToken {
  const { api, clusterId } = options;
  let known = clusterId;
  const findClusterId = async (): Promise<KubernetesResult<string>> => {
    if (known !== '') return { ok: true, value: known };
    const found = await api.get('/api/v1/namespaces/kube-system', objectSchema, 'metadata');
    if (!found.ok) return found;
    known = found.value.metadata.uid;
    return isNodeId(known)
      ? { ok: true, value: known }
      : { ok: false, code: 'malformed', reason: 'the namespace kube-system has no uid' };
  };
  return async (token) => {
    if (token.length > MAX_SERVICE_ACCOUNT_TOKEN_LENGTH || !TOKEN.test(token))
      return refused('what was sent is not a service-account token');
    const pod = await reviewToken(token, options);
    if ('code' in pod) return pod;
    const nodeName = await findNodeName(pod, api);
    if (typeof nodeName !== 'string') return nodeName;
    const found = await api.get(`/api/v1/nodes/${nodeName}`, objectSchema, 'metadata');
    if (!found.ok) return failed(found, `node ${nodeName}`);
    const { uid: nodeId, name: foundName } = found.value.metadata;
    // The form also keeps ids of nodes apart from those that hosts with join tokens have.
    if (foundName !== nodeName || !isNodeUid(nodeId)) return refused(`node ${nodeName} has no valid uid`);
    const cluster = await findClusterId();
    if (!cluster.ok) return failed(cluster, 'namespace kube-system');
    return {
      ok: true,
      node: { nodeId, nodeName, clusterId: cluster.value, pod: `${pod.namespace}/${pod.name}` },
    };
  };
}

/** The pod that the token was issued to, if the token is valid, for us, and of a service account of agents. */
async function reviewToken(
  token: string,
  { api, audience, serviceAccounts }: AttestationOptions,
): Promise<PodReference | Extract<Attestation, { ok: false }>> {
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, audiences: [audience] },
  };
  const review = await api.create('/apis/authentication.k8s.io/v1/tokenreviews', body, reviewSchema);
  if (!review.ok)
    return { ok: false, code: 'unavailable', reason: `the token could not be reviewed: ${review.reason}` };
  const { authenticated, audiences, error, user } = review.value.status;
  if (!authenticated)
    return refused(`the API server does not accept the token: ${printable(error) || 'no reason given'}`);
  // Missing where an authenticator does not know audiences: then the token may be for anyone.
  if (!audiences.includes(audience)) return refused(`the token is not for the audience ${audience}`);
  const [, namespace = '', serviceAccount = ''] = USERNAME.exec(user.username) ?? [];
  if (namespace === '' || !serviceAccounts.includes(`${namespace}/${serviceAccount}`))
    return refused(`${printable(user.username)} is not a service account of agents (kubernetes-service-accounts)`);
  const [podName = '', ...otherNames] = user.extra['authentication.kubernetes.io/pod-name'] ?? [];
  const [podUid = '', ...otherUids] = user.extra['authentication.kubernetes.io/pod-uid'] ?? [];
  if (otherNames.length > 0 || otherUids.length > 0 || !OBJECT_NAME.test(podName) || podUid === '')
    return refused('the token is not bound to a pod');
  return { namespace, serviceAccount, name: podName, uid: podUid };
}

/** The node that the pod runs on. */
async function findNodeName(
  { namespace, serviceAccount, name: podName, uid }: PodReference,
  api: KubernetesApi,
): Promise<string | Extract<Attestation, { ok: false }>> {
  const what = `pod ${namespace}/${podName}`;
  const found = await api.get(`/api/v1/namespaces/${namespace}/pods/${podName}`, podSchema);
  if (!found.ok) return failed(found, what);
  const { metadata: pod, spec, status } = found.value;
  if (pod.uid !== uid || pod.name !== podName) return refused(`${what} is not the one that the token was issued to`);
  if (pod.deletionTimestamp !== '' || status.phase === 'Succeeded' || status.phase === 'Failed')
    return refused(`${what} has ended or is being deleted`);
  if (spec.serviceAccountName !== serviceAccount) return refused(`${what} has another service account`);
  if (!OBJECT_NAME.test(spec.nodeName)) return refused(`${what} is not bound to a node`);
  return spec.nodeName;
}

function refused(reason: string): Extract<Attestation, { ok: false }> {
  return { ok: false, code: 'unauthorized', reason };
}

function failed(
  { code, reason }: Extract<KubernetesResult<never>, { ok: false }>,
  what: string,
): Extract<Attestation, { ok: false }> {
  if (code === 'notFound') return refused(`${what} does not exist`);
  return { ok: false, code: 'unavailable', reason: `${what} could not be read: ${reason}` };
}
