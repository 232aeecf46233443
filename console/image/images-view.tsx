import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ImageSummary } from '../../api/image.ts';
import { count, counted, shortId } from '../../api/format.ts';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { ToggleChip } from '../part/toggle-chip.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { imageHash } from '../route.ts';
import { VerdictMark } from '../part/verdict-tag.tsx';
import { CoverageNote, useImages, useImagesAtRest } from '../vulnerabilities/coverage.tsx';
import { ImageSections } from '../vulnerabilities/section-links.tsx';
import { Figure, riskText } from '../vulnerabilities/vulnerability-tags.tsx';
import { ImageStateTag } from './image-state.tsx';

/** All images that run, by the risk of their vulnerabilities, and how much of each is known; then those at rest. */
export function ImagesView(): JSX.Element {
  const loaded = useImages();
  const [isResting, setResting] = useState(false);
  const resting = useImagesAtRest(isResting);
  const { value, problem } = loaded;
  const images = [...(value?.images ?? []), ...(resting.value ?? [])];
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Images</h1>
        <p class="findings-count" role="status">
          {value === undefined ? '' : counted(images.length, 'image')}
        </p>
      </div>
      <ImageSections current="Images" />
      <CoverageNote loaded={loaded} />
      <p>
        <ToggleChip isOn={isResting} onToggle={() => setResting(!isResting)}>
          at rest
        </ToggleChip>{' '}
        <span class="muted">also images that no container runs: their vulnerabilities affect nothing that runs</span>
      </p>
      {resting.problem === undefined ? null : <ProblemNote problem={resting.problem} onRetry={resting.reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the images" /> : null}
      {value?.images.length === 0 ? <EmptyNote>The collector knows of no running container.</EmptyNote> : null}
      {value === undefined || images.length === 0 ? null : (
        <section class="card" aria-label="Images by risk">
          <DataTable
            label="Images by risk"
            columns={['Image', 'Known', 'Risk', 'Vulnerabilities', 'With a fix', 'Packages', 'Containers', 'Nodes']}
            rows={images.map((image) => ({
              key: image.id,
              cells: [
                <>
                  <a href={imageHash(image.id)}>
                    <UntrustedText text={image.names[0] ?? shortId(image.id)} />
                  </a>
                  <ImageMarks image={image} />
                </>,
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

/** Marks an image that lies on nodes only, and one whose tag names something else now. */
function ImageMarks({
  image: { containers, atRest, movedTags },
}: {
  readonly image: Pick<ImageSummary, 'containers' | 'atRest' | 'movedTags'>;
}): JSX.Element {
  const place = atRest > 0 ? `at rest on ${counted(atRest, 'node')}` : 'not on a node any more';
  return (
    <>
      {containers > 0 ? null : <span class="tag tag-plain">{place}</span>}
      {movedTags === 0 ? null : (
        <span class="tag ver-fail">
          <VerdictMark verdict="fail" />
          tag moved
        </span>
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
