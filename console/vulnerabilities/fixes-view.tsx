import type { JSX } from 'preact';
import { fixList } from '../../api/image.ts';
import { count, counted } from '../../api/format.ts';
import { useLoad } from '../hook/use-load.ts';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { useServices } from '../services.ts';
import { CoverageNote, REFRESH_MS, useImages } from './coverage.tsx';
import { FixTable } from './fix-table.tsx';
import { ImageSections } from './section-links.tsx';

/** Upgrades that are listed at most: the largest page of the API. */
const MAX_LISTED = 1000;

/** Upgrades of packages in images that run: those that remove the most risk first. */
export function FixesView(): JSX.Element {
  const { api } = useServices();
  const images = useImages();
  const { value, problem, reload } = useLoad(
    'fixes',
    (signal) => api.get(`/v1/fixes?limit=${String(MAX_LISTED)}`, fixList, signal),
    REFRESH_MS,
  );
  const fixes = value?.fixes ?? [];
  const isCut = fixes.length >= MAX_LISTED;
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Upgrades</h1>
        <p class="findings-count" role="status">
          {value === undefined
            ? ''
            : isCut
              ? `${count(fixes.length)} or more upgrades`
              : counted(fixes.length, 'upgrade')}
        </p>
      </div>
      <ImageSections current="Upgrades" />
      <CoverageNote loaded={images} />
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the upgrades" /> : null}
      {value !== undefined && fixes.length === 0 ? (
        <EmptyNote>No upgrade is known that removes a vulnerability from a running container.</EmptyNote>
      ) : null}
      {fixes.length === 0 ? null : (
        <section class="card" aria-label="Upgrades by removed risk">
          <FixTable label="Upgrades by removed risk" fixes={fixes} withImage />
          <p class="hint">
            Ordered by the risk that an upgrade removes, times the running containers of the image.
            {isCut ? ` The first ${count(MAX_LISTED)} are listed.` : ''}
          </p>
        </section>
      )}
    </>
  );
}
