import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import { isNodeUid } from '../../service/tls/node-identity.ts';
import type { KubernetesApi } from '../../kubernetes/api-client.ts';

/** A Node object. */
export interface ListedNode {
  /** Uid of the object. */
  readonly id: string;
  readonly name: string;
  /** Label `kubernetes.io/os`, which the kubelet of the node may set as it likes; empty: none. */
  readonly operatingSystem: string;
  /** All labels; undefined: there are more than {@link MAX_LABELS}, or they are too long. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

/** A node of a cloud has some 30. */
const MAX_LABELS = 100;
const MAX_LABEL_KEY = 317;

/** The nodes of a cluster, or why they could not be read. `isComplete`: false where there are more than were read. */
export type NodeListing =
  | { readonly ok: true; readonly nodes: readonly ListedNode[]; readonly isComplete: boolean }
  | { readonly ok: false; readonly reason: string };

/** Metadata of a node are some 6 KiB, most of them `managedFields`; a response of the client has at most 4 MiB. */
const PAGE = 250;
/** 10,000 nodes, as many as one collector has sessions with. Kubernetes itself is tested with 5,000. */
const MAX_PAGES = 40;
/** A server that answers each page just in time must not stretch one listing over minutes. */
const DEADLINE_MS = 60_000;
const OS_LABEL = 'kubernetes.io/os';
/** DNS subdomain (RFC 1123); the API server accepts no other names. */
const NODE_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const LABEL_VALUE = /^[A-Za-z0-9._-]{0,63}$/;

const text = s.withDefault(s.string('', 4_096), '');
/** PartialObjectMetadataList (meta.k8s.io/v1). */
const pageSchema = s.object({
  metadata: s.object({ continue: text }),
  items: s.list(
    s.object({
      metadata: s.object({ name: s.string('', 253), uid: s.string('', 64), labels: s.withDefault(s.record(text), {}) }),
    }),
    '',
    PAGE,
  ),
});

/** Lists the nodes of the cluster page by page, metadata only. Never rejects; takes at most 70 s. */
export async function listNodes(
  api: Pick<KubernetesApi, 'get'>,
  clock: Pick<Clock, 'monotonic'>,
): Promise<NodeListing> {
  const startMs = clock.monotonic();
  const nodes: ListedNode[] = [];
  let token = '';
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const page = await api.get(`/api/v1/nodes?limit=${String(PAGE)}${more}`, pageSchema, 'metadataList');
    if (!page.ok) return { ok: false, reason: page.reason };
    for (const { metadata } of page.value.items) {
      const { name, uid: id, labels } = metadata;
      if (!isNodeUid(id) || !NODE_NAME.test(name))
        return { ok: false, reason: 'the API server listed a node without a valid name and uid' };
      const label = labels[OS_LABEL] ?? '';
      nodes.push({ id, name, operatingSystem: LABEL_VALUE.test(label) ? label : '', labels: boundedLabels(labels) });
    }
    token = page.value.metadata.continue;
    if (token === '') return { ok: true, nodes, isComplete: true };
    if (clock.monotonic() - startMs > DEADLINE_MS)
      return { ok: false, reason: `the API server did not list all nodes within ${String(DEADLINE_MS / 1000)} s` };
  }
  return { ok: true, nodes, isComplete: false };
}

/** The API server accepts keys of at most 253 + 1 + 63 characters, and values of 63. */
function boundedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  const entries = Object.entries(labels);
  const isBounded = entries.every(([key, value]) => key.length <= MAX_LABEL_KEY && LABEL_VALUE.test(value));
  return entries.length <= MAX_LABELS && isBounded ? labels : undefined;
}
