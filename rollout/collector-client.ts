import { createApiClient } from '../api/client.ts';
import type { ApiClient, Result } from '../api/client.ts';
import { findingPage } from '../api/finding.ts';
import { exposureList, rolloutState, successorSearch } from '../api/rollout.ts';
import type { ExposureList, RolloutReport } from '../api/rollout.ts';
import { simulation } from '../api/policy.ts';
import { readBoundedText } from '../image/policy/bounded-text.ts';
import type { BudgetReport } from '../policy/rollout/budget.ts';
import type { ImageExposure } from '../policy/rollout/exposure.ts';
import type { PlanEntry, WantedSuccessor } from '../policy/rollout/plan.ts';
import type { ContainerFailure } from '../policy/rollout/response.ts';
import type { SuccessorSearch } from '../policy/rollout/successor.ts';
import type { WorkloadPod } from '../policy/rollout/workload.ts';
import type { Infer } from '../posture/schema.ts';
import { apiUrl } from '../service/config/api-url.ts';
import type { Settings } from '../service/config/settings.ts';
import { sendRequest } from '../service/https-request.ts';

/** What rollouts ask of the collector. A failure is a value: without an answer nothing is done. */
export interface CollectorClient {
  readonly api: ApiClient;
  readonly exposures: () => Promise<Read<readonly ImageExposure[]>>;
  readonly successors: (wanted: WantedSuccessor) => Promise<SuccessorSearch>;
  readonly state: () => Promise<Read<RolloutState>>;
  /** Reports a plan, in parts, and steps. Resolves to what people and earlier steps say. */
  readonly report: (report: Report) => Promise<Read<RolloutState>>;
  /** Failed checks of severity high or critical of these containers, sorted. */
  readonly failuresOf: (pods: readonly WorkloadPod[]) => Promise<Read<readonly string[]>>;
  /** Failed checks of running containers of all nodes, of at least the given severities. */
  readonly containerFailures: (severities: readonly string[]) => Promise<Read<readonly ContainerFailure[]>>;
  /** Ids of running images that the image policies refuse in a namespace. */
  readonly deniedIn: (namespace: string) => Promise<Read<ReadonlySet<string>>>;
}

/** See `rolloutState` of api/rollout.ts. */
export type RolloutState = Infer<typeof rolloutState>;

/** An entry of a plan as it is reported. */
export type ReportedPlanEntry = NonNullable<RolloutReport['plan']>[number] & Partial<Pick<PlanEntry, 'webhook'>>;

/** A plan, undefined where it is as before, and steps. */
export interface Report {
  readonly plan: readonly ReportedPlanEntry[] | undefined;
  readonly steps: RolloutReport['steps'];
  /** Undefined: it is as before. */
  readonly usage?: BudgetReport | undefined;
}

/** What was read, or why not; `reason` is for people. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

const MAX_TOKEN_BYTES = 16 * 1024;
const MAX_CA_BYTES = 1024 * 1024;
const MAX_BYTES = 128 * 1024 * 1024;
/** Searches ask registries, which may be slow. */
const SEARCH_MS = 60_000;
/** Containers of a workload whose findings are read. */
const MAX_CONTAINERS = 50;
const MAX_FAILURES = 50_000;
/** Failed checks of containers that no waiver accepts. */
const FAILED = 'verdict=fail&state=open&kind=container&limit=1000';
const SEVERE = 'severity=critical&severity=high';

/** A client of the operator API that the settings name. Token and authority are read for each request. */
export function createCollectorClient(
  settings: Pick<Settings, 'api' | 'apiTls' | 'apiTlsCa' | 'dataDir' | 'tokenFile'>,
  signal: AbortSignal,
): CollectorClient {
  const url = apiUrl(settings);
  const api = createApiClient({
    fetch: async (path, init) => {
      const token = await readBoundedText(settings.tokenFile, MAX_TOKEN_BYTES);
      if (!token.ok) throw new Error(`${settings.tokenFile} ${token.reason}`);
      const { status, headers, body } = await sendRequest({
        url: url + path,
        method: init.method ?? 'GET',
        headers: { ...Object.fromEntries(new Headers(init.headers)), authorization: `Bearer ${token.text.trim()}` },
        body: typeof init.body === 'string' ? init.body : undefined,
        ca: await readAuthorities(settings),
        maxBytes: MAX_BYTES,
        signal: AbortSignal.any([signal, init.signal ?? signal]),
      });
      return new Response(new Uint8Array(body), { status, headers });
    },
    token: () => undefined,
    texts: {
      unreachable: (error) => [
        `no collector answers at ${url}${error instanceof Error ? ` (${error.message})` : ''}`,
        '',
      ],
      late: [`the collector at ${url} did not answer in time`, ''],
      tooLarge: ['the answer of the collector is too large', ''],
      unreadable: (problem) => [`the answer of the collector has an unknown form (${problem})`, ''],
    },
  });
  return {
    api,
    exposures: async () => {
      const answer = await api.get('/v1/rollouts/exposure', exposureList);
      if (!answer.ok) return { ok: false, reason: answer.problem.message };
      return {
        ok: true,
        value: answer.value.images.map((image) => Object.assign(image, stateOf(image), { imageId: image.id })),
      };
    },
    successors: async ({ image, namespace, digests, policy }) => {
      const body = { image, namespace, digests, rules: policy.successor };
      const answer = await api.post('/v1/rollouts/successors', successorSearch, { body, patienceMs: SEARCH_MS });
      if (!answer.ok) return { candidates: [], problem: answer.problem.message };
      const { candidates, problem } = answer.value;
      return { problem, candidates: candidates.map((one) => Object.assign(one, stateOf(one))) };
    },
    state: async () => {
      const answer = await api.get('/v1/rollouts/state', rolloutState);
      return answer.ok ? answer : { ok: false, reason: answer.problem.message };
    },
    report: async ({ plan, steps, usage }) => {
      let last: Read<RolloutState> = { ok: false, reason: 'there is nothing to report' };
      const ofUsage = usage === undefined ? [] : [{ steps: [], usage }];
      for (const body of [...ofUsage, ...reportsOf(plan, steps)]) {
        const answer = await api.post('/v1/rollouts/report', rolloutState, { body });
        last = answer.ok ? answer : { ok: false, reason: answer.problem.message };
        if (!last.ok) return last;
      }
      return last;
    },
    failuresOf: async (pods) => {
      const failures = new Set<string>();
      const containers = pods.flatMap(({ nodeUid, containers: own }) => own.map(({ id }) => ({ nodeUid, id })));
      for (const { nodeUid, id } of containers.filter((one) => one.id !== '').slice(0, MAX_CONTAINERS)) {
        const query = `node=${encodeURIComponent(nodeUid)}&subject=${encodeURIComponent(id)}&${FAILED}&${SEVERE}`;
        const answer = await api.get(`/v1/findings?${query}`, findingPage);
        // A node without an agent has no findings.
        if (!answer.ok && answer.problem.kind === 'notFound') continue;
        if (!answer.ok) return { ok: false, reason: answer.problem.message };
        for (const { check } of answer.value.findings) failures.add(check);
      }
      return { ok: true, value: [...failures].sort() };
    },
    containerFailures: async (severities) => {
      const failures: ContainerFailure[] = [];
      const wanted = severities.map((one) => `severity=${one}`).join('&');
      let cursor: string | null = '';
      while (cursor !== null && failures.length < MAX_FAILURES) {
        const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
        const path = `/v1/findings?${FAILED}&${wanted}${more}`;
        const answer: Result<Infer<typeof findingPage>> = await api.get(path, findingPage);
        if (!answer.ok) return { ok: false, reason: answer.problem.message };
        for (const { check, severity, nodeId, subject } of answer.value.findings)
          failures.push({ check, severity, nodeId, containerId: subject.id });
        cursor = answer.value.cursor;
      }
      return { ok: true, value: failures };
    },
    deniedIn: async (namespace) => {
      const query = `namespace=${encodeURIComponent(namespace)}&limit=10000`;
      const answer = await api.get(`/v1/policies/simulation?${query}`, simulation);
      if (!answer.ok) return { ok: false, reason: answer.problem.message };
      return { ok: true, value: new Set(answer.value.images.filter(isDenied).map(({ id }) => id)) };
    },
  };
}

/** The body of a request has at most 64 KiB. */
const MAX_PART_CHARACTERS = 40_000;
const MAX_PART_ENTRIES = 1000;

/** The requests of a report: the plan in parts, the steps with the first. */
function reportsOf(plan: Report['plan'], steps: RolloutReport['steps']): readonly object[] {
  if (plan === undefined) return [{ steps }];
  const parts: object[][] = [[]];
  let characters = 0;
  for (const { webhook: _webhook, ...entry } of plan) {
    const size = JSON.stringify(entry).length;
    const last = parts.at(-1) ?? [];
    if (last.length > 0 && (characters + size > MAX_PART_CHARACTERS || last.length >= MAX_PART_ENTRIES)) {
      parts.push([entry]);
      characters = size;
    } else {
      last.push(entry);
      characters += size;
    }
  }
  const partOf = (index: number): string =>
    parts.length === 1 ? 'only' : index === 0 ? 'first' : index === parts.length - 1 ? 'last' : 'next';
  return parts.map((part, index) => ({ plan: part, part: partOf(index), steps: index === 0 ? steps : [] }));
}

function isDenied({ outcome }: { readonly outcome: string }): boolean {
  return outcome === 'deny';
}

function stateOf({
  vulnerabilities,
  endOfLifeMs,
}: Pick<ExposureList['images'][number], 'vulnerabilities' | 'endOfLifeMs'>) {
  return {
    endOfLifeMs: endOfLifeMs ?? undefined,
    vulnerabilities: vulnerabilities.map(({ exploited, epss, fixable, expiredWaiver, ...one }) => ({
      ...one,
      isExploited: exploited,
      epss: epss ?? undefined,
      isFixable: fixable,
      hasExpiredWaiver: expiredWaiver,
    })),
  };
}

async function readAuthorities({
  apiTlsCa,
  dataDir,
}: Pick<Settings, 'apiTlsCa' | 'dataDir'>): Promise<string | undefined> {
  if (apiTlsCa === 'system') return undefined;
  const path = apiTlsCa === 'auto' ? `${dataDir}/tls/ca.pem` : apiTlsCa;
  const read = await readBoundedText(path, MAX_CA_BYTES);
  if (read.ok) return read.text;
  if (apiTlsCa === 'auto') return undefined;
  throw new Error(`${path} ${read.reason}`);
}
