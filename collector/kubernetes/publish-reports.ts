import { createHash } from 'node:crypto';
import { CLUSTER_ID } from '../../posture/judge.ts';
import * as s from '../../posture/schema.ts';
import { fullJitter, jittered } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { isNodeUid } from '../../service/tls/node-identity.ts';
import type { KubernetesApi, KubernetesErrorCode, KubernetesResult } from '../../kubernetes/api-client.ts';
import type { Issue } from '../status/collector-status.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { NodeRow, Store, StoredFinding } from '../store/store.ts';
import { MANAGED_BY, NAME_PREFIX, NODE_LABEL, NODE_LIMITS, REPORT_KINDS, toReports } from './report-objects.ts';
import type { NodeReports, ReportGroup, ReportObject } from './report-objects.ts';

/** What reports are published with. */
export interface ReportPublication {
  readonly api: Pick<KubernetesApi, 'get' | 'create' | 'patch' | 'remove'>;
  readonly group: ReportGroup;
  readonly store: Pick<Store, 'findings' | 'nodes'>;
  readonly eventBus: Pick<EventBus, 'subscribe'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Ends the publication. The objects stay. */
  readonly signal: AbortSignal;
}

/** A running publication. */
export interface PublishedReports {
  /** Why the reports are not those of the open findings now. */
  readonly issues: () => readonly Issue[];
  /** Resolves once the publication has ended. */
  readonly over: Promise<void>;
}

/** Changes of a node are collected for this long. */
const COLLECT_MS = 5_000;
/** Everything is compared anew this often: someone may have changed or deleted a report. */
const COMPARE_MS = 10 * 60_000;
const BACKOFF = Object.freeze({ baseMs: 1_000, capMs: 60_000 });
const PAGE = 500;
/** Reports that are listed, and findings of one node that are read. */
const MAX_LISTED = 100_000;
const MAX_FINDINGS = 20_000;
const FINDINGS_PAGE = 1_000;

/** A report as the API server has it. Content: hash of what this process wrote; undefined: it wrote nothing yet. */
interface Known {
  readonly nodeId: string;
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly content: string | undefined;
}

const versionOf = s.object({ metadata: s.object({ resourceVersion: s.string('', 256) }) });
const page = s.object({
  metadata: s.object({ continue: s.withDefault(s.string('', 4096), '') }),
  items: s.withDefault(
    s.list(
      s.object({
        metadata: s.object({
          name: s.string('', 256),
          namespace: s.withDefault(s.string('', 256), ''),
          resourceVersion: s.string('', 256),
          labels: s.withDefault(s.record(s.string('', 256)), {}),
        }),
      }),
      '',
      PAGE,
    ),
    [],
  ),
});

/** What the API server did not do. Each is tried again when everything is compared anew. */
class Failures {
  #first: string | undefined;
  #count = 0;
  /** Is the API server itself out of reach? Then nothing else is asked of it now. */
  isUnreachable = false;

  add({ code, reason }: { readonly code: KubernetesErrorCode; readonly reason: string }): void {
    this.#first ??= reason;
    this.#count += 1;
    this.isUnreachable ||= UNREACHABLE.has(code);
  }

  /** One line; undefined: everything was done. */
  text(): string | undefined {
    return this.#count > 1 ? `${String(this.#first)} (and ${String(this.#count - 1)} more)` : this.#first;
  }
}

const UNREACHABLE: ReadonlySet<KubernetesErrorCode> = new Set([
  'unreachable',
  'timeout',
  'credentials',
  'unauthorized',
]);

/**
 * Keeps reports of Kubernetes equal to the open findings in the store, until `signal` aborts: after each change of a node
 * those of that node, and all of them at the start, every ten minutes and after each failure. Only objects with the label
 * and the name of the collector are changed or deleted. While store or API server fail, nothing is deleted.
 */
export function publishReports(publication: ReportPublication): PublishedReports {
  const { eventBus, clock, random, log, signal } = publication;
  const changed = new Set<string>();
  let wake = new AbortController();
  const unsubscribe = eventBus.subscribe((item) => {
    changed.add(
      item.type === 'finding' ? item.event.finding.nodeId : item.type === 'node' ? item.node.id : item.nodeId,
    );
    wake.abort();
  });
  signal.addEventListener('abort', () => wake.abort(), { once: true });
  const omitted = new Map<string, number>();
  let failure: { readonly sinceMs: number; readonly reason: string } | undefined;
  const known = new Map<string, Known>();
  /** One report that cannot be written, as in a namespace whose owner made an object of its name, holds up no other. */
  const compare = async (ids: Iterable<string>): Promise<void> => {
    const failures = new Failures();
    const rows = new Map((await publication.store.nodes()).map((row) => [row.id, row]));
    const keysOf = Map.groupBy(known.keys(), (key) => known.get(key)?.nodeId);
    for (const nodeId of ids) {
      if (signal.aborted || failures.isUnreachable) break;
      const reports = await readReports(publication, nodeId, rows.get(nodeId));
      if (reports.omitted > 0) omitted.set(nodeId, reports.omitted);
      else omitted.delete(nodeId);
      await writeReports(publication, { nodeId, reports, known, keys: keysOf.get(nodeId) ?? [], failures });
    }
    const text = failures.text();
    if (text !== undefined) throw new Error(text);
  };
  const compareAll = async (): Promise<void> => {
    changed.clear();
    await listReports(publication, known);
    const nodes = await publication.store.nodes();
    await compare(
      new Set([...nodes.map(({ id }) => id), CLUSTER_ID, ...[...known.values()].map(({ nodeId }) => nodeId)]),
    );
  };
  const compareChanged = async (): Promise<void> => {
    const ids = [...changed];
    changed.clear();
    await compare(ids);
  };
  const run = async (): Promise<void> => {
    let failures = 0;
    let comparedMs = -Infinity;
    while (!signal.aborted) {
      wake = new AbortController();
      try {
        const isDue = failures > 0 || clock.monotonic() - comparedMs >= COMPARE_MS;
        if (isDue) {
          await compareAll();
          comparedMs = clock.monotonic();
        } else await compareChanged();
        if (failures > 0) log.info({}, 'the reports in Kubernetes are those of the open findings again');
        failures = 0;
        failure = undefined;
      } catch (error) {
        failures += 1;
        const reason = error instanceof Error ? error.message : String(error);
        if (failure === undefined)
          log.warn({ reason }, 'reports could not be written to Kubernetes; it is tried again');
        failure = { sinceMs: failure?.sinceMs ?? clock.now(), reason };
      }
      if (failures > 0) await sleep(clock, BACKOFF.baseMs + fullJitter(failures, BACKOFF, random), signal);
      else {
        if (changed.size === 0) await sleep(clock, jittered(COMPARE_MS, 0.1, random), wake.signal);
        await sleep(clock, COLLECT_MS, signal);
      }
    }
    unsubscribe();
  };
  return { issues: () => issuesOf(failure, omitted), over: run() };
}

/** Adds what exists to `known`, and forgets what does not. */
async function listReports({ api, group }: ReportPublication, known: Map<string, Known>): Promise<void> {
  const { version, cluster, namespaced } = REPORT_KINDS[group];
  const selector = encodeURIComponent(`${MANAGED_BY.name}=${MANAGED_BY.value}`);
  const listed = new Map<string, Known>();
  for (const { resource } of [cluster, namespaced]) {
    let token = '';
    do {
      const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
      const path = `/apis/${version}/${resource}?labelSelector=${selector}&limit=${String(PAGE)}${more}`;
      const read = await api.get(path, page, 'metadataList');
      if (!read.ok)
        throw new Error(
          read.code === 'notFound'
            ? `the cluster has no ${resource} of ${version}: install their CustomResourceDefinition`
            : read.reason,
        );
      for (const { metadata } of read.value.items) {
        const { name, namespace, resourceVersion, labels } = metadata;
        if (!name.startsWith(NAME_PREFIX) || labels[MANAGED_BY.name] !== MANAGED_BY.value) continue;
        const key = `${namespace}/${name}`;
        const before = known.get(key);
        const content = before?.version === resourceVersion ? before.content : undefined;
        listed.set(key, { nodeId: labels[NODE_LABEL] ?? '', namespace, name, version: resourceVersion, content });
      }
      token = read.value.metadata.continue;
      if (listed.size > MAX_LISTED) throw new Error(`there are more than ${String(MAX_LISTED)} reports with our label`);
    } while (token !== '');
  }
  known.clear();
  for (const [key, each] of listed) known.set(key, each);
}

/** The reports for a node; none if it was removed or does not belong to the cluster. Rejects with StoreError. */
async function readReports(
  { store, group }: ReportPublication,
  nodeId: string,
  row: NodeRow | undefined,
): Promise<NodeReports> {
  if (nodeId !== CLUSTER_ID && (row === undefined || !isNodeUid(nodeId))) return { objects: [], omitted: 0 };
  const findings: StoredFinding[] = [];
  let cursor: string | undefined;
  do {
    const verdicts = ['fail', 'unknown', 'manual'] as const;
    const more = cursor === undefined ? {} : { cursor };
    const filter = { nodes: [nodeId], verdicts, waived: false, limit: FINDINGS_PAGE, ...more };
    const read = await store.findings(filter);
    findings.push(...read.findings);
    cursor = read.cursor;
  } while (cursor !== undefined && findings.length < MAX_FINDINGS);
  return toReports(group, row ?? { id: nodeId, name: nodeId, containers: [] }, findings);
}

interface Writing {
  readonly nodeId: string;
  readonly reports: NodeReports;
  readonly known: Map<string, Known>;
  /** Keys of the known reports for the node. */
  readonly keys: readonly string[];
  readonly failures: Failures;
}

async function writeReports(
  publication: ReportPublication,
  { nodeId, reports, known, keys, failures }: Writing,
): Promise<void> {
  const { api, group, signal } = publication;
  const wanted = new Set(reports.objects.map(({ namespace, name }) => `${namespace}/${name}`));
  for (const object of reports.objects) {
    if (signal.aborted || failures.isUnreachable) return;
    const key = `${object.namespace}/${object.name}`;
    const before = known.get(key);
    const content = createHash('sha256').update(JSON.stringify(object.body)).digest('hex');
    if (before?.content === content) continue;
    const written = await writeReport(publication, object, before);
    const { namespace, name } = object;
    if (written.ok)
      known.set(key, { nodeId, namespace, name, version: written.value.metadata.resourceVersion, content });
    else {
      known.delete(key);
      // Its namespace is gone: its pods and their findings end with it.
      if (written.code !== 'notFound' || namespace === '') failures.add(written);
    }
  }
  for (const key of keys) {
    const each = known.get(key);
    if (each === undefined || wanted.has(key) || signal.aborted || failures.isUnreachable) continue;
    const removed = await api.remove(`${collectionOf(group, each.namespace)}/${each.name}`);
    if (removed.ok || removed.code === 'notFound') known.delete(key);
    else failures.add(removed);
  }
}

/** Creates the report, or replaces the version that was listed: a newer one is a conflict, and is listed anew. */
async function writeReport(
  { api, group }: ReportPublication,
  { namespace, name, body }: ReportObject,
  before: Known | undefined,
): Promise<KubernetesResult<s.Infer<typeof versionOf>>> {
  const collection = collectionOf(group, namespace);
  if (before !== undefined) {
    const metadata = { ...body.metadata, resourceVersion: before.version };
    return api.patch(`${collection}/${name}`, { ...body, metadata }, versionOf);
  }
  const created = await api.create(collection, body, versionOf);
  if (created.ok || created.code !== 'conflict') return created;
  const where = namespace === '' ? name : `${name} in the namespace ${namespace}`;
  return { ...created, reason: `${where} exists without the label of the collector: delete it` };
}

function collectionOf(group: ReportGroup, namespace: string): string {
  const { version, cluster, namespaced } = REPORT_KINDS[group];
  return namespace === ''
    ? `/apis/${version}/${cluster.resource}`
    : `/apis/${version}/namespaces/${namespace}/${namespaced.resource}`;
}

function issuesOf(
  failure: { readonly sinceMs: number; readonly reason: string } | undefined,
  omitted: ReadonlyMap<string, number>,
): readonly Issue[] {
  const issues: Issue[] = [];
  if (failure !== undefined)
    issues.push({
      code: 'policyReports',
      subject: 'kubernetes',
      text: `reports in Kubernetes are not those of the open findings since ${new Date(failure.sinceMs).toISOString()}: ${failure.reason}`,
      advice: 'see docs/kubernetes.md, Policy reports: rights, CustomResourceDefinitions',
    });
  const missing = [...omitted.values()].reduce((sum, count) => sum + count, 0);
  if (missing > 0)
    issues.push({
      code: 'policyReports',
      subject: 'kubernetes',
      text: `${String(missing)} findings of ${String(omitted.size)} nodes are in no report of Kubernetes: a node has at most ${String(NODE_LIMITS.results)} results in ${String(NODE_LIMITS.objects)} reports`,
      advice: 'plimsoll findings shows all of them',
    });
  return issues;
}
