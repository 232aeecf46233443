import * as s from '../posture/schema.ts';
import type { Clock } from '../service/clock.ts';
import type { KubernetesApi, KubernetesErrorCode } from './api-client.ts';

/** All objects of a list, or why they could not be read. */
export type Listing<T> =
  | { readonly ok: true; readonly items: readonly T[] }
  | { readonly ok: false; readonly code: KubernetesErrorCode; readonly reason: string };

/** What reads lists. */
export interface ListSource {
  readonly api: Pick<KubernetesApi, 'get'>;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** A pod has 10 to 30 KiB, and a response of the client at most 4 MiB. */
const PAGE = 100;
const MAX_ITEMS = 50_000;
/** A server that answers each page just in time must not stretch one listing over minutes. */
const DEADLINE_MS = 60_000;

/**
 * Lists objects page by page. `path` has no query. A list that is not complete is a failure: what is missing in it would
 * look as if it did not exist. Never rejects; takes at most 70 s.
 */
export async function listAll<T>({ api, clock }: ListSource, path: string, item: s.Schema<T>): Promise<Listing<T>> {
  const page = s.object({
    metadata: s.object({ continue: s.withDefault(s.string('', 4096), '') }),
    items: s.withDefault(s.list(item, '', PAGE), []),
  });
  const startMs = clock.monotonic();
  const items: T[] = [];
  let token = '';
  do {
    const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const read = await api.get(`${path}?limit=${String(PAGE)}${more}`, page);
    if (!read.ok) return read;
    items.push(...read.value.items);
    token = read.value.metadata.continue;
    if (items.length > MAX_ITEMS)
      return { ok: false, code: 'malformed', reason: `${path} has more than ${String(MAX_ITEMS)} objects` };
    if (token !== '' && clock.monotonic() - startMs > DEADLINE_MS)
      return { ok: false, code: 'timeout', reason: `the API server did not list ${path} within 60 s` };
  } while (token !== '');
  return { ok: true, items };
}

/** All objects of a resource in the first of these versions of its API that the server has, such as `/apis/policy/v1`. */
export async function listFirst<T>(
  source: ListSource,
  versions: readonly string[],
  { resource, item }: { readonly resource: string; readonly item: s.Schema<T> },
): Promise<Listing<T>> {
  let listing: Listing<T> = { ok: false, code: 'notFound', reason: `the API server has no ${resource}` };
  for (const version of versions) {
    listing = await listAll(source, `${version}/${resource}`, item);
    if (listing.ok || listing.code !== 'notFound') return listing;
  }
  return listing;
}
