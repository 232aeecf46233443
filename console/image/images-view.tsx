import type { JSX } from 'preact';
import type { ImageSummary } from '../../api/image.ts';
import { count, counted, shortId } from '../../api/format.ts';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { imageHash } from '../route.ts';
import { CoverageNote, useImages } from '../vulnerabilities/coverage.tsx';
import { ImageSections } from '../vulnerabilities/section-links.tsx';
import { Figure, riskText } from '../vulnerabilities/vulnerability-tags.tsx';
import { ImageStateTag } from './image-state.tsx';

/** All images that run, by the risk of their vulnerabilities, and how much of each is known. */
export function ImagesView(): JSX.Element {
  const loaded = useImages();
  const { value, problem } = loaded;
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Images</h1>
        <p class="findings-count" role="status">
          {value === undefined ? '' : counted(value.images.length, 'image')}
        </p>
      </div>
      <ImageSections current="Images" />
      <CoverageNote loaded={loaded} />
      {value === undefined && problem === undefined ? <LoadingNote what="the images" /> : null}
      {value?.images.length === 0 ? <EmptyNote>The collector knows of no running container.</EmptyNote> : null}
      {value === undefined || value.images.length === 0 ? null : (
        <section class="card" aria-label="Images by risk">
          <DataTable
            label="Images by risk"
            columns={['Image', 'Known', 'Risk', 'Vulnerabilities', 'With a fix', 'Packages', 'Containers', 'Nodes']}
            rows={value.images.map((image) => ({
              key: image.id,
              cells: [
                <a href={imageHash(image.id)}>
                  <UntrustedText text={image.names[0] ?? shortId(image.id)} />
                </a>,
                <ImageStateTag state={image.state} />,
                ...countCells(image),
                count(image.containers),
                count(image.nodes),
              ],
            }))}
          />
        </section>
      )}
    </>
  );
}

/** Where nothing is known, a number would look like an answer. */
function countCells({
  state,
  source,
  counts,
  maxRisk,
  packages,
}: ImageSummary): readonly (string | JSX.Element | null)[] {
  const { critical, high, medium, low, other, fixable, exploited } = counts;
  const total = critical + high + medium + low + other;
  const packageText = source === 'none' ? null : count(packages);
  if (total === 0 && state !== 'complete') return [null, 'not known', null, packageText];
  const parts = [
    ...(critical > 0 ? [`${count(critical)} critical`] : []),
    ...(high > 0 ? [`${count(high)} high`] : []),
    ...(exploited > 0 ? [`${count(exploited)} exploited`] : []),
  ];
  const text = `${state === 'complete' ? '' : 'at least '}${count(total)}`;
  return [
    <Figure text={riskText(maxRisk)} />,
    parts.length === 0 ? text : `${text} (${parts.join(', ')})`,
    count(fixable),
    packageText,
  ];
}
