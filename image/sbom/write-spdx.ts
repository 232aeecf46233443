import { createHash } from 'node:crypto';
import type { Distribution } from '../../vulnerability/package.ts';
import { documentUuid, sbomPackages, sbomTime } from './sbom-document.ts';
import type { SbomDocument, SbomPackage } from './sbom-document.ts';

/** Starts annotations of this program: JSON with what SPDX has no field for. */
export const ANNOTATION_PREFIX = 'plimsoll: ';

const ROOT = 'SPDXRef-Image';
const SYSTEM = 'SPDXRef-OperatingSystem';

/** What is not known about every package here. */
const UNKNOWN = {
  downloadLocation: 'NOASSERTION',
  filesAnalyzed: false,
  licenseConcluded: 'NOASSERTION',
  licenseDeclared: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
} as const;

type Annotate = (content: object) => object;

/** An element of the document: only its id is used again. */
interface SpdxElement {
  readonly SPDXID: string;
  readonly [key: string]: unknown;
}

/**
 * An inventory as SPDX 2.3 in JSON. Gaps are annotations of the image. SPDX 2.3 has no vulnerabilities.
 * https://spdx.github.io/spdx-spec/v2.3/
 */
export function writeSpdx(document: SbomDocument): string {
  const { inventory, subject } = document;
  const packages = sbomPackages(inventory);
  const { distribution } = inventory;
  const time = sbomTime(document.createdAt);
  const annotate: Annotate = (content) => ({
    annotationDate: time,
    annotationType: 'OTHER',
    annotator: `Tool: plimsoll-${document.toolVersion}`,
    comment: `${ANNOTATION_PREFIX}${JSON.stringify(content)}`,
  });
  const elements = [
    ...(distribution === undefined ? [] : [systemPackage(distribution, annotate)]),
    ...packages.map((each) => libraryPackage(each, annotate)),
  ];
  const spdx = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: subject.name,
    documentNamespace: `https://spdx.org/spdxdocs/plimsoll-${documentUuid(document)}`,
    creationInfo: { created: time, creators: [`Tool: plimsoll-${document.toolVersion}`] },
    packages: [
      {
        SPDXID: ROOT,
        name: subject.name,
        ...(subject.digest !== undefined && { versionInfo: subject.digest }),
        primaryPackagePurpose: 'CONTAINER',
        ...UNKNOWN,
        ...(inventory.gaps.length > 0 && {
          annotations: inventory.gaps.map(({ path, reason }) => annotate({ gap: { path, reason } })),
        }),
      },
      ...elements,
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: ROOT },
      ...elements.map(({ SPDXID }) => ({
        spdxElementId: ROOT,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(spdx, undefined, 2)}\n`;
}

function systemPackage({ id, versionId, codename, like }: Distribution, annotate: Annotate): SpdxElement {
  return {
    SPDXID: SYSTEM,
    name: id,
    ...(versionId !== undefined && { versionInfo: versionId }),
    primaryPackagePurpose: 'OPERATING_SYSTEM',
    ...UNKNOWN,
    annotations: [annotate({ ...(codename !== undefined && { codename }), like })],
  };
}

function libraryPackage({ purl, item, paths }: SbomPackage, annotate: Annotate): SpdxElement {
  const { source, vendor } = item;
  return {
    // Letters, digits, dots and hyphens only; the package URL itself has others.
    SPDXID: `SPDXRef-Package-${createHash('sha256').update(purl).digest('hex').slice(0, 32)}`,
    name: item.name,
    versionInfo: item.version,
    ...UNKNOWN,
    ...(source !== undefined && { sourceInfo: `built package from: ${source.name} ${source.version}` }),
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
    annotations: [annotate({ paths, ...(vendor !== undefined && { vendor }) })],
  };
}
