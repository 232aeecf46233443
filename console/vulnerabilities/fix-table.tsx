import type { JSX } from 'preact';
import type { Fix } from '../../api/image.ts';
import { count, counted, shortId } from '../../api/format.ts';
import { DataTable } from '../part/data-table.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { imageHash, vulnerabilityHash } from '../route.ts';
import { Figure, riskText } from './vulnerability-tags.tsx';

/** Vulnerabilities that a row names. */
const NAMED = 3;

/** Upgrades of packages, and what each removes. `withImage`: the image of each is a column. */
export function FixTable({
  label,
  fixes,
  withImage,
}: {
  readonly label: string;
  readonly fixes: readonly Fix[];
  readonly withImage: boolean;
}): JSX.Element {
  return (
    <DataTable
      label={label}
      columns={[
        'Package',
        'Installed',
        'Upgrade to',
        ...(withImage ? ['In image'] : []),
        'Removes',
        'Risk removed',
        'Containers',
      ]}
      rows={fixes.map((fix) => ({
        key: [fix.imageId, fix.type, fix.package, fix.version, fix.fixedVersion].join('\n'),
        cells: [
          fix.package,
          fix.version,
          fix.fixedVersion,
          ...(withImage
            ? [
                <a href={imageHash(fix.imageId)}>
                  <UntrustedText text={fix.imageName === '' ? shortId(fix.imageId) : fix.imageName} />
                </a>,
              ]
            : []),
          <Removed fix={fix} />,
          <Figure text={riskText(fix.totalRisk)} />,
          count(fix.containers),
        ],
      }))}
    />
  );
}

function Removed({ fix: { vulnerabilities, exploited, ids } }: { readonly fix: Fix }): JSX.Element {
  const named = ids.slice(0, NAMED);
  const more = vulnerabilities - named.length;
  return (
    <div class="removed">
      {counted(vulnerabilities, 'vulnerability', 'vulnerabilities')}
      {exploited > 0 ? <span class="weak">, {count(exploited)} exploited (KEV)</span> : null}:{' '}
      {named.map((id, index) => (
        <span key={id}>
          {index === 0 ? '' : ', '}
          <a href={vulnerabilityHash(id)}>
            <UntrustedText text={id} />
          </a>
        </span>
      ))}
      {more > 0 ? ` and ${count(more)} more` : ''}
    </div>
  );
}
