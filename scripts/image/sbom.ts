import { createHash } from 'node:crypto';

/** A part of the image. */
export interface Component {
  readonly type: 'application' | 'library';
  readonly name: string;
  readonly version: string;
  /** SPDX expressions. */
  readonly licenses: readonly string[];
  /** Package URL, https://github.com/package-url/purl-spec. */
  readonly purl: string;
}

/** The bill of materials of an image: CycloneDX 1.6 as JSON. Equal arguments give equal text. */
export function writeSbom(version: string, components: readonly Component[], createdMs: number): string {
  // npm installs a version in several directories.
  const distinct = new Map(components.map((component) => [component.purl, component]));
  const sorted = [...distinct.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1)).map(toCycloneDx);
  const digest = createHash('sha256')
    .update(JSON.stringify([version, sorted]))
    .digest('hex');
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${toUuid(digest)}`,
    version: 1,
    metadata: {
      timestamp: new Date(createdMs).toISOString(),
      component: {
        type: 'container',
        'bom-ref': 'plimsoll',
        name: 'plimsoll',
        version,
        licenses: [{ expression: 'Apache-2.0' }],
      },
    },
    components: sorted,
    dependencies: [{ ref: 'plimsoll', dependsOn: sorted.map(({ purl }) => purl) }],
  };
  return `${JSON.stringify(document, undefined, 1)}\n`;
}

function toCycloneDx({ licenses, ...component }: Component) {
  return {
    ...component,
    'bom-ref': component.purl,
    ...(licenses.length === 0 ? {} : { licenses: licenses.map((expression) => ({ expression })) }),
  };
}

/** A UUID of version 8 (RFC 9562: custom) made of a digest. */
function toUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
