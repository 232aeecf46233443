import { exemptNamespace } from '../../posture/check/admission/exempt-namespace.ts';
import { webhook } from '../../posture/check/admission/webhook.ts';
import type { ClusterAdmission, ExemptNamespace } from '../../posture/fact/cluster-admission.ts';
import { sameContent } from '../../posture/finding.ts';
import { CLUSTER_ID, judgeCluster } from '../../posture/judge.ts';
import * as s from '../../posture/schema.ts';
import type { KubernetesApi, KubernetesResult } from '../../kubernetes/api-client.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { newNodeRow } from '../session/node-registry.ts';
import { tell } from '../session/writer.ts';
import type { Issue } from '../status/collector-status.ts';
import type { EventBus } from '../store/event-bus.ts';
import { packFinding } from '../store/row.ts';
import type { Store, StoredFinding } from '../store/store.ts';
import { compareWebhooks, hashOfBundle, webhookConfigurationSchema } from './compare-webhooks.ts';
import type { WebhookConfiguration, WebhookTerms } from './compare-webhooks.ts';
import { MUTATING, VALIDATING } from './expected-webhooks.ts';
import { rejectionOf } from './label-selector.ts';

/** What the watch works with. */
export interface AdmissionWatchOptions {
  readonly api: Pick<KubernetesApi, 'get'>;
  readonly store: Pick<Store, 'findings' | 'putNodes' | 'putCollectorFindings'>;
  readonly eventBus: EventBus;
  /** Namespaces that the webhook may leave out. */
  readonly exempt: readonly string[];
  /** SHA-256 of each `caBundle` that the webhooks keep; empty: not known. */
  readonly caBundles: () => ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The watch of the admission webhook. */
export interface AdmissionWatch {
  /** Why nothing is known of the webhook. */
  readonly issues: () => readonly Issue[];
  /** Namespaces that the webhook is not asked about. */
  readonly exempt: () => ExemptNamespaces;
  /** Resolves once the watch has ended. */
  readonly over: Promise<void>;
}

/** Namespaces that the webhook is not asked about. */
export interface ExemptNamespaces {
  /** Those that the settings allow it to leave out. */
  readonly allowed: readonly string[];
  /** Others, left out by their labels; undefined: not read yet, or the webhook was never registered. */
  readonly found: ClusterAdmission['exempt'] | undefined;
}

const CONFIGURATION = 'plimsoll-admission';
const PREFIX = '/apis/admissionregistration.k8s.io/v1';
/** Reading one object by name is cheap, and needs no right to list all webhook configurations. */
const ROUND_MS = 2_000;
/** So long a read may fail before a finding says that nothing is known. */
const GRACE_MS = 60_000;
/** Namespaces that are listed every round; of more, every tenth. */
const FEW_NAMESPACES = 500;
const PAGE = 500;
const MAX_PAGES = 40;
const MAX_EXEMPT = 1_000;
const BUNDLE_GRACE_MS = 8_000;
const BUNDLE_RESET_MS = 60_000;

const namespacePage = s.object({
  metadata: s.object({ continue: s.withDefault(s.string('', 4_096), '') }),
  items: s.list(
    s.object({
      metadata: s.object({ name: s.string('', 253), labels: s.withDefault(s.record(s.string('', 4_096)), {}) }),
    }),
    '',
    PAGE,
  ),
});
type Namespace = s.Infer<typeof namespacePage>['items'][number]['metadata'];

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** What failed since when; undefined: nothing. */
interface Failures {
  webhook?: { readonly sinceMs: number; readonly reason: string } | undefined;
  namespaces?: { readonly sinceMs: number; readonly reason: string } | undefined;
}

/**
 * Compares the webhook configurations of the cluster with what this version declares, every two seconds until `signal`
 * aborts, and stores the findings `admission.webhook` and `admission.exempt-namespace` of the cluster. A cluster without
 * the webhook has none of them; once it was there, its removal is a failure. A read that fails changes nothing for a
 * minute; after it, what passed is unknown, and what failed stays.
 */
export function watchAdmission(options: AdmissionWatchOptions): AdmissionWatch {
  const { clock, log, signal } = options;
  const failures: Failures = {};
  let namespaces: readonly Namespace[] = [];
  let round = 0;
  let found: ClusterAdmission['exempt'] | undefined;
  /** Since when the configurations have an authority that no webhook has reported; undefined: they have none. */
  let strangeSinceMs: number | undefined;
  let strangeMs = -Infinity;
  const look = async (): Promise<void> => {
    const stored = await storedFindings(options);
    const validating = await readConfiguration(options.api, 'validatingwebhookconfigurations');
    const mutating = await readConfiguration(options.api, 'mutatingwebhookconfigurations');
    note(failures, 'webhook', validating.ok ? mutating : validating, options);
    const isDeployed = (validating.ok && validating.value !== undefined) || stored.size > 0;
    if (isDeployed && (namespaces.length <= FEW_NAMESPACES || round % 10 === 0)) {
      const listed = await listNamespaces(options.api);
      if (listed.ok) namespaces = listed.value;
      note(failures, 'namespaces', listed, options);
    }
    round += 1;
    if (!isDeployed || signal.aborted) return;
    const known = options.caBundles();
    const isStrange = hasOtherBundle([validating, mutating], known);
    if (isStrange) [strangeSinceMs, strangeMs] = [strangeSinceMs ?? clock.monotonic(), clock.monotonic()];
    // Whoever puts another authority in and out again is given no new time each time.
    else if (clock.monotonic() - strangeMs > BUNDLE_RESET_MS) strangeSinceMs = undefined;
    // A webhook that has just published another authority reports it within seconds.
    const isNew = strangeSinceMs !== undefined && clock.monotonic() - strangeSinceMs < BUNDLE_GRACE_MS;
    const caBundles = isNew ? new Set<string>() : known;
    const state = toState({ validating, mutating, namespaces, failures }, { exempt: options.exempt, caBundles });
    found = state.exempt;
    await storeFindings(state, stored, { ...options, isBundleKnown: caBundles.size > 0 });
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await look().catch((error: unknown) =>
        log.warn({ error }, 'findings about the admission webhook could not be stored; it is tried again'),
      );
      await sleep(clock, ROUND_MS, signal);
    }
  };
  return {
    issues: () => issuesOf(failures, clock.now()),
    exempt: () => ({ allowed: options.exempt, found }),
    over: run(),
  };
}

/** Ends the findings of a watch that is switched off. */
export async function endAdmissionFindings({
  store,
  eventBus,
  clock,
}: Pick<AdmissionWatchOptions, 'store' | 'eventBus' | 'clock'>): Promise<void> {
  const stored = await storedFindings({ store });
  if (stored.size === 0) return;
  const gone = [...stored.values()].map(({ id }) => id);
  const change = { nodeId: CLUSTER_ID, put: [], gone, atMs: clock.now() };
  for (const result of await store.putCollectorFindings([change])) tell(eventBus, result);
}

function note(
  failures: Failures,
  what: keyof Failures,
  read: Read<unknown>,
  { clock, log }: Pick<AdmissionWatchOptions, 'clock' | 'log'>,
): void {
  if (read.ok) {
    failures[what] = undefined;
    return;
  }
  if (failures[what] === undefined) log.warn({ what, reason: read.reason }, 'the admission webhook cannot be watched');
  failures[what] = { sinceMs: failures[what]?.sinceMs ?? clock.now(), reason: read.reason };
}

/** The configuration; undefined: it does not exist. */
async function readConfiguration(
  api: AdmissionWatchOptions['api'],
  resource: string,
): Promise<Read<WebhookConfiguration | undefined>> {
  const read: KubernetesResult<WebhookConfiguration> = await api.get(
    `${PREFIX}/${resource}/${CONFIGURATION}`,
    webhookConfigurationSchema,
  );
  if (read.ok) return read;
  return read.code === 'notFound' ? { ok: true, value: undefined } : { ok: false, reason: read.reason };
}

async function listNamespaces(api: AdmissionWatchOptions['api']): Promise<Read<readonly Namespace[]>> {
  const all: Namespace[] = [];
  let token = '';
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const page = await api.get(`/api/v1/namespaces?limit=${String(PAGE)}${more}`, namespacePage, 'metadataList');
    if (!page.ok) return { ok: false, reason: page.reason };
    all.push(...page.value.items.map(({ metadata }) => metadata));
    token = page.value.metadata.continue;
    if (token === '') return { ok: true, value: all };
  }
  return { ok: false, reason: `there are more than ${String(PAGE * MAX_PAGES)} namespaces` };
}

interface Reads {
  readonly validating: Read<WebhookConfiguration | undefined>;
  readonly mutating: Read<WebhookConfiguration | undefined>;
  readonly namespaces: readonly Namespace[];
  readonly failures: Failures;
}

function toState({ validating, mutating, namespaces, failures }: Reads, terms: WebhookTerms): ClusterAdmission {
  const { exempt } = terms;
  const configuration = CONFIGURATION;
  const listing: ClusterAdmission['exempt'] =
    failures.namespaces === undefined
      ? { state: 'read', namespaces: validating.ok ? exemptOf(validating.value, namespaces, exempt) : [] }
      : { state: 'unreadable', ...failures.namespaces };
  if (failures.webhook !== undefined || !validating.ok || !mutating.ok) {
    const failure = failures.webhook ?? { sinceMs: 0, reason: '' };
    const unreadable = { state: 'unreadable', ...failure } as const;
    return { configuration, webhook: unreadable, exempt: unreadable };
  }
  if (validating.value === undefined) return { configuration, webhook: { state: 'absent' }, exempt: listing };
  const differences = [
    ...compareWebhooks(validating.value, VALIDATING, terms),
    ...(mutating.value === undefined ? [] : compareWebhooks(mutating.value, MUTATING, terms)),
  ];
  return { configuration, webhook: { state: 'registered', differences }, exempt: listing };
}

/** Namespaces whose pods the validating webhook is not asked about, without those that it may leave out. */
function exemptOf(
  configuration: WebhookConfiguration | undefined,
  namespaces: readonly Namespace[],
  allowed: readonly string[],
): readonly ExemptNamespace[] {
  const pods = configuration?.webhooks.find(({ name }) => name === VALIDATING[0]?.name);
  if (pods === undefined) return [];
  return namespaces
    .filter(({ name }) => !allowed.includes(name))
    .flatMap(({ name, labels }) => {
      const because = rejectionOf(pods.namespaceSelector, labels);
      return because === undefined ? [] : [{ name, because }];
    })
    .slice(0, MAX_EXEMPT);
}

async function storedFindings({
  store,
}: Pick<AdmissionWatchOptions, 'store'>): Promise<ReadonlyMap<string, StoredFinding>> {
  const { findings } = await store.findings({
    nodes: [CLUSTER_ID],
    checks: [webhook.id, exemptNamespace.id],
    limit: 10,
  });
  return new Map(findings.map((finding) => [finding.check, finding]));
}

async function storeFindings(
  state: ClusterAdmission,
  stored: ReadonlyMap<string, StoredFinding>,
  { store, eventBus, clock, log, isBundleKnown }: AdmissionWatchOptions & { readonly isBundleKnown: boolean },
): Promise<void> {
  const nowMs = clock.now();
  const put = [webhook, exemptNamespace]
    .map((check) => judgeCluster(check, state))
    .filter((finding) => {
      const before = stored.get(finding.check);
      if (before === undefined) return finding.verdict !== 'unknown';
      if (finding.verdict === 'unknown' && isYoung(state, nowMs)) return false;
      // Whoever makes the API server unreadable must not turn a failure into something milder.
      if (finding.verdict === 'unknown' && before.verdict === 'fail') return false;
      // While no webhook says which authority it keeps, another one that was found stays found.
      if (!isBundleKnown && finding.verdict === 'pass' && isAboutBundle(before)) return false;
      return !sameContent(before, finding);
    });
  if (put.length === 0) return;
  // Names the cluster in its findings. It is no node: lists of nodes do not contain it.
  if (stored.size === 0) await store.putNodes([{ ...newNodeRow(CLUSTER_ID, nowMs), lastSeenMs: 0 }]);
  const change = { nodeId: CLUSTER_ID, put: put.map(packFinding), gone: [], atMs: nowMs };
  for (const result of await store.putCollectorFindings([change])) tell(eventBus, result);
  for (const { check, verdict, reason } of put)
    if (verdict === 'fail') log.warn({ check, reason }, 'the admission webhook can be bypassed');
}

function isAboutBundle({ verdict, evidence }: StoredFinding): boolean {
  return verdict === 'fail' && evidence.some(({ seen }) => seen.startsWith('sha256:'));
}

/** Has a configuration an authority that no webhook has reported? */
function hasOtherBundle(
  configurations: readonly Read<WebhookConfiguration | undefined>[],
  known: ReadonlySet<string>,
): boolean {
  if (known.size === 0) return false;
  return configurations
    .flatMap((read) => (read.ok ? (read.value?.webhooks ?? []) : []))
    .some(({ clientConfig: { caBundle } }) => caBundle !== '' && !known.has(hashOfBundle(caBundle)));
}

function isYoung({ webhook: registered, exempt }: ClusterAdmission, nowMs: number): boolean {
  const since = [registered, exempt].flatMap((part) => (part.state === 'unreadable' ? [part.sinceMs] : []));
  return since.every((sinceMs) => nowMs - sinceMs < GRACE_MS);
}

function issuesOf(failures: Failures, nowMs: number): readonly Issue[] {
  const failure = [failures.webhook, failures.namespaces].find(
    (one) => one !== undefined && nowMs - one.sinceMs >= GRACE_MS,
  );
  if (failure === undefined) return [];
  return [
    {
      code: 'clusterUnreadable',
      subject: 'Kubernetes',
      text: `the admission webhook cannot be watched since ${new Date(failure.sinceMs).toISOString()}: ${failure.reason}`,
      advice:
        'a change of its configuration is not found meanwhile; where it is forbidden, apply the manifests of this version, ' +
        'or set kubernetes-admission: off',
    },
  ];
}
