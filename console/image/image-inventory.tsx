import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ImageDetail } from '../../api/image.ts';
import { count, counted } from '../../api/format.ts';
import { searchWords } from '../../api/finding-list.ts';
import { FactList } from '../node/fact-list.tsx';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote } from '../part/note.tsx';
import { SearchField } from '../part/search-field.tsx';
import { DatabaseNote } from '../vulnerabilities/coverage.tsx';
import { ImageStateTag } from './image-state.tsx';

const SOURCES: Readonly<Record<string, string>> = Object.freeze({
  layers: 'the files of the image',
  container: 'the root of a running container, which can change what it shows',
  none: 'nothing: no inventory',
});

const TAG_WEAKNESSES: ReadonlyMap<string, string> = new Map([
  ['moved', 'what runs is not what the tag names now'],
  ['gone', 'the image cannot be pulled again by this name'],
]);

function tagText(state: string, digest: string | null, reason: string): string {
  if (state === 'same') return 'names this image';
  if (state === 'moved') return `names ${digest ?? 'another image'}`;
  return state === 'gone' ? 'not in its registry any more' : `not known${reason === '' ? '' : `: ${reason}`}`;
}

/** How much of an image is known, and what is not. */
export function ImageKnowledge({ detail }: { readonly detail: ImageDetail }): JSX.Element {
  const { state, reason, source, distribution, conflict, database, inventories, packages, gaps, unjudged, atRest } =
    detail;
  const row = (name: string, value: string, weakness = '') => ({ name, value, weakness });
  return (
    <Card title="What is known" aside={<ImageStateTag state={state} />}>
      <DatabaseNote database={database} />
      <FactList
        rows={[
          row(
            'packages and vulnerabilities',
            state === 'complete' ? 'completely known' : reason || 'not completely known',
          ),
          row('read from', Object.hasOwn(SOURCES, source) ? (SOURCES[source] ?? source) : source),
          row('distribution', distribution || (source === 'none' ? 'not known' : 'none, or not known')),
          row('packages', source === 'none' ? 'not known' : count(packages.length)),
          ...(atRest > 0 ? [row('at rest', `on ${counted(atRest, 'node')}, where no container runs it`)] : []),
          ...detail.tags.map(({ reference, state: drift, digest, reason: why }) =>
            row(`tag ${reference}`, tagText(drift, digest, why), TAG_WEAKNESSES.get(drift)),
          ),
          ...(conflict
            ? [row('conflict', 'nodes contradict each other about the packages of this image', 'all of them count')]
            : []),
        ]}
      />
      {inventories.length < 2 ? null : (
        <DataTable
          label="Inventories that nodes found in this image"
          columns={['Inventory', 'Packages', 'Nodes']}
          rows={inventories.map(({ digest, packages: own, nodes }) => ({
            key: digest,
            cells: [digest.slice(0, 12), count(own), nodes.join(', ')],
          }))}
        />
      )}
      {gaps.length === 0 ? null : (
        <>
          <h3>Could not be read</h3>
          <DataTable
            label="Parts of this image that could not be read"
            columns={['Path', 'Reason']}
            rows={gaps.map(({ path, reason: why }, index) => ({ key: String(index), cells: [path, why] }))}
          />
        </>
      )}
      {unjudged.length === 0 ? null : (
        <>
          <h3>Could not be judged</h3>
          <DataTable
            label="Packages whose vulnerabilities are not known"
            columns={['Package', 'Installed', 'Reason']}
            rows={unjudged.map((one, index) => ({
              key: String(index),
              cells: [one.package, one.version, one.reason],
            }))}
          />
        </>
      )}
    </Card>
  );
}

/** The packages of an image, with a search in their names and paths. */
export function ImagePackages({
  detail: { packages, source, gaps },
}: {
  readonly detail: Pick<ImageDetail, 'packages' | 'source' | 'gaps'>;
}): JSX.Element {
  const [text, setText] = useState('');
  const words = searchWords(text.toLowerCase());
  const shown = packages.filter(({ type, name, version, path }) => {
    const whole = `${type} ${name} ${version} ${path}`.toLowerCase();
    return words.every((word) => whole.includes(word));
  });
  return (
    <Card title="Packages" aside={packagesAside(source, packages.length, gaps.length)}>
      {packages.length === 0 ? (
        <EmptyNote>
          {source === 'none' || gaps.length > 0 ? 'Its packages are not known.' : 'It contains no packages.'}
        </EmptyNote>
      ) : (
        <>
          <SearchField
            text={text}
            label="Words in name, kind, version or path of a package"
            placeholder="Search name, version, path"
            onText={setText}
          />
          {shown.length === 0 ? (
            <EmptyNote>No package matches.</EmptyNote>
          ) : (
            <DataTable
              label="Packages of this image"
              columns={['Package', 'Kind', 'Installed', 'Found in']}
              rows={shown.map(({ type, name, version, architecture, path }, index) => ({
                key: String(index),
                cells: [name, architecture === null ? type : `${type} ${architecture}`, version, path],
              }))}
            />
          )}
        </>
      )}
    </Card>
  );
}

function packagesAside(source: string, packages: number, gaps: number): string {
  if (source === 'none') return 'not known';
  return `${gaps > 0 ? 'at least ' : ''}${counted(packages, 'package')}`;
}
