import type { JSX } from 'preact';
import type { ImageDetail } from '../../api/image.ts';
import { counted } from '../../api/format.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote } from '../part/note.tsx';
import { FixTable } from '../vulnerabilities/fix-table.tsx';
import {
  epssText,
  Figure,
  FixedIn,
  riskText,
  VulnerabilityLink,
  VulnerabilitySeverityTag,
} from '../vulnerabilities/vulnerability-tags.tsx';

/** The vulnerabilities of an image, and the upgrades that remove them. */
export function ImageVulnerabilities({ detail }: { readonly detail: ImageDetail }): JSX.Element {
  const { vulnerabilities, fixes } = detail;
  const ids = new Set(vulnerabilities.map(({ id }) => id)).size;
  const total = counted(ids, 'vulnerability', 'vulnerabilities');
  return (
    <>
      {fixes.length === 0 ? null : (
        <Card title="Upgrades" aside={counted(fixes.length, 'upgrade')}>
          <FixTable label="Upgrades of packages in this image" fixes={fixes} withImage={false} />
        </Card>
      )}
      <Card title="Vulnerabilities" aside={asideOf(detail, total)}>
        {vulnerabilities.length === 0 ? (
          <EmptyNote>{emptyText(detail)}</EmptyNote>
        ) : (
          <DataTable
            label="Vulnerabilities of this image by risk"
            columns={['Vulnerability', 'Severity', 'Risk', 'EPSS', 'Package', 'Installed', 'Fixed in']}
            rows={vulnerabilities.map((one, index) => ({
              key: String(index),
              cells: [
                <VulnerabilityLink id={one.id} exploited={one.exploited} />,
                <VulnerabilitySeverityTag severity={one.severity} />,
                <Figure text={riskText(one.risk)} />,
                <Figure text={epssText(one.epss)} />,
                one.package,
                one.version,
                <FixedIn status={one.status} fixedVersion={one.fixedVersion} suppressed={one.suppressed} />,
              ],
            }))}
          />
        )}
      </Card>
    </>
  );
}

function asideOf({ state, vulnerabilities }: ImageDetail, total: string): string {
  if (state === 'complete') return total;
  return vulnerabilities.length === 0 ? 'not known' : `at least ${total}`;
}

function emptyText({ state, reason }: ImageDetail): string {
  switch (state) {
    case 'complete':
      return 'No known vulnerability in its packages.';
    case 'pending':
      return 'Not known yet: its packages have not been judged.';
    default:
      return `Not known: ${reason === '' ? 'the image is not completely known' : reason}.`;
  }
}
