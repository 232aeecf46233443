import type { JSX } from 'preact';
import type { DatabaseState, ImageSummary } from '../../api/image.ts';
import { imageList } from '../../api/image.ts';
import type { ApiClient, Result } from '../../api/client.ts';
import { count } from '../../api/format.ts';
import type { Loaded } from '../hook/use-load.ts';
import { useLoad } from '../hook/use-load.ts';
import { ProblemNote } from '../part/note.tsx';
import { Ago } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { imagesHash } from '../route.ts';
import { useServices } from '../services.ts';

/** How often the images are read again: the collector sends no events of them. */
export const REFRESH_MS = 60_000;
const PAGE = 1000;
/** Pages that are read at most: 20,000 images. */
const MAX_PAGES = 20;

/** The images that run, and how much of them is known. */
export interface ImageCoverage {
  readonly database: DatabaseState;
  readonly images: readonly ImageSummary[];
  /** There are more images than were read, so nothing is known of these. */
  readonly isCut: boolean;
}

/** Reads all images that run. */
export function useImages(): Loaded<ImageCoverage> {
  const { api } = useServices();
  return useLoad('images', (signal) => readImages(api, signal), REFRESH_MS);
}

/** Reads the images that no container runs; nothing while `isWanted` is false. */
export function useImagesAtRest(isWanted: boolean): Loaded<readonly ImageSummary[]> {
  const { api } = useServices();
  return useLoad(
    `images at rest ${String(isWanted)}`,
    async (signal) => {
      if (!isWanted) return { ok: true, value: [] };
      const all = await readImages(api, signal, '&unused=true');
      return all.ok ? { ok: true, value: all.value.images.filter(({ containers }) => containers === 0) } : all;
    },
    REFRESH_MS,
  );
}

async function readImages(api: ApiClient, signal: AbortSignal, filter = ''): Promise<Result<ImageCoverage>> {
  const images = new Map<string, ImageSummary>();
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await api.get(`/v1/images?limit=${String(PAGE)}${filter}${next}`, imageList, signal);
    if (!answer.ok) return answer;
    const { database } = answer.value;
    for (const image of answer.value.images) images.set(image.id, image);
    ({ cursor } = answer.value);
    if (cursor === null || page === MAX_PAGES - 1)
      return { ok: true, value: { database, images: [...images.values()], isCut: cursor !== null } };
  }
  throw new Error('the last page returns');
}

/** Are all images that run completely known? Only then an empty list means that there is nothing. */
export function isCovered({ database, images, isCut }: ImageCoverage): boolean {
  return database.state === 'ok' && !isCut && images.every(({ state }) => state === 'complete');
}

/** Says of the vulnerability database that it is missing or not current; nothing where it is. */
export function DatabaseNote({ database }: { readonly database: DatabaseState }): JSX.Element | null {
  const { state, builtMs, problem } = database;
  if (state === 'ok') return null;
  const isUsed = state === 'tooOld' || state === 'older';
  return (
    <div class="note note-problem" role="status">
      <p>
        <strong>
          {isUsed
            ? 'The vulnerability database is not current.'
            : 'The collector has no usable vulnerability database.'}
        </strong>{' '}
        <UntrustedText text={problem} />.{' '}
        {isUsed ? 'Vulnerabilities may be missing.' : 'Vulnerabilities are not known.'}{' '}
        {builtMs === null ? null : (
          <>
            It was built <Ago atMs={builtMs} />.{' '}
          </>
        )}
        Update it with <code>plimsoll vulndb update</code>.
      </p>
    </div>
  );
}

/** Says of how many images that run not everything is known. */
export function CoverageNote({ loaded }: { readonly loaded: Loaded<ImageCoverage> }): JSX.Element | null {
  const { value, problem, reload } = loaded;
  if (value === undefined) return problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />;
  const { database, images, isCut } = value;
  const known = images.filter(({ state }) => state === 'complete').length;
  return (
    <>
      <DatabaseNote database={database} />
      <p class="coverage">
        Completely known: <strong>{count(known)}</strong> of {isCut ? 'the first ' : ''}
        <a href={imagesHash()}>{count(images.length)} running images</a>
        {known === images.length && !isCut ? '.' : '; vulnerabilities of the others may be missing.'}
        {database.state === 'ok' && database.builtMs !== null ? (
          <>
            {' '}
            Vulnerability database built <Ago atMs={database.builtMs} />.
          </>
        ) : null}
      </p>
    </>
  );
}
