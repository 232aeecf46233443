import { createApiClient } from '../api/client.ts';
import type { ApiClient } from '../api/client.ts';
import { exposureList, successorSearch } from '../api/rollout.ts';
import type { ExposureList } from '../api/rollout.ts';
import { simulation } from '../api/policy.ts';
import { readBoundedText } from '../image/policy/bounded-text.ts';
import type { ImageExposure } from '../policy/rollout/exposure.ts';
import type { WantedSuccessor } from '../policy/rollout/plan.ts';
import type { SuccessorSearch } from '../policy/rollout/successor.ts';
import { apiUrl } from '../service/config/api-url.ts';
import type { Settings } from '../service/config/settings.ts';
import { sendRequest } from './https-request.ts';

/** What rollouts ask of the collector. A failure is a value: without an answer nothing is done. */
export interface CollectorClient {
  readonly api: ApiClient;
  readonly exposures: () => Promise<Read<readonly ImageExposure[]>>;
  readonly successors: (wanted: WantedSuccessor) => Promise<SuccessorSearch>;
  /** Ids of running images that the image policies refuse in a namespace. */
  readonly deniedIn: (namespace: string) => Promise<Read<ReadonlySet<string>>>;
}

/** What was read, or why not; `reason` is for people. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

const MAX_TOKEN_BYTES = 16 * 1024;
const MAX_CA_BYTES = 1024 * 1024;
const MAX_BYTES = 128 * 1024 * 1024;
/** Searches ask registries, which may be slow. */
const SEARCH_MS = 60_000;

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
    deniedIn: async (namespace) => {
      const query = `namespace=${encodeURIComponent(namespace)}&limit=10000`;
      const answer = await api.get(`/v1/policies/simulation?${query}`, simulation);
      if (!answer.ok) return { ok: false, reason: answer.problem.message };
      return { ok: true, value: new Set(answer.value.images.filter(isDenied).map(({ id }) => id)) };
    },
  };
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
