import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { default as formats } from 'ajv-formats';
import t from 'tap';
import { readSbom } from '../../../image/sbom/read-sbom.ts';
import { writeCycloneDx } from '../../../image/sbom/write-cyclonedx.ts';
import { writeSpdx } from '../../../image/sbom/write-spdx.ts';
import type { Package } from '../../../vulnerability/package.ts';
import { document, emptyDocument, inventory } from './documents.ts';

const SCHEMAS = new URL('../../../node_modules/@cyclonedx/cyclonedx-library/res/schema/', import.meta.url);

/** The schema of CycloneDX 1.6 that its own library carries. */
function cycloneDxValidator(): (value: unknown) => readonly unknown[] {
  const schema = (name: string): object =>
    JSON.parse(readFileSync(new URL(`${name}.SNAPSHOT.schema.json`, SCHEMAS), 'utf8')) as object;
  const ajv = new Ajv({ strict: false, allErrors: true });
  formats.default(ajv);
  // The library of formats has none for international addresses; no document here has one.
  ajv.addFormat('iri-reference', true);
  ajv.addFormat('idn-email', true);
  for (const name of ['spdx', 'jsf-0.82', 'cryptography-defs'])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  const validate = ajv.compile(schema('bom-1.6'));
  return (value) => (validate(value) ? [] : (validate.errors ?? []));
}

void t.test('CycloneDX is valid by its own schema', (t) => {
  const errors = cycloneDxValidator();
  t.strictSame(errors(JSON.parse(writeCycloneDx(document))), []);
  t.strictSame(errors(JSON.parse(writeCycloneDx(emptyDocument))), []);
  t.ok(
    errors({ bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ name: 'x' }] }).length > 0,
    'the validator refuses what is wrong',
  );
  t.end();
});

interface Spdx {
  readonly spdxVersion: string;
  readonly documentNamespace: string;
  readonly packages: readonly { readonly SPDXID: string; readonly name: string; readonly downloadLocation: string }[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: string;
    readonly relatedSpdxElement: string;
  }[];
}

void t.test('SPDX has what the specification demands', (t) => {
  for (const each of [document, emptyDocument]) {
    const spdx = JSON.parse(writeSpdx(each)) as Spdx;
    t.match(spdx, {
      spdxVersion: 'SPDX-2.3',
      dataLicense: 'CC0-1.0',
      SPDXID: 'SPDXRef-DOCUMENT',
      name: each.subject.name,
    });
    t.match(spdx.documentNamespace, /^https:\/\/[^#\s]+$/);
    const ids = spdx.packages.map(({ SPDXID }) => SPDXID);
    t.equal(new Set(ids).size, ids.length, 'ids are unique');
    t.ok(ids.every((id) => /^SPDXRef-[A-Za-z0-9.-]+$/.test(id)));
    t.ok(spdx.packages.every(({ name, downloadLocation }) => name !== '' && downloadLocation === 'NOASSERTION'));
    const contained = spdx.relationships.filter(({ relationshipType }) => relationshipType === 'CONTAINS');
    t.strictSame(
      contained.map(({ relatedSpdxElement }) => relatedSpdxElement),
      ids.slice(1),
      'the image contains all others',
    );
    t.ok(
      spdx.relationships.some(
        ({ relationshipType, relatedSpdxElement }) => relationshipType === 'DESCRIBES' && relatedSpdxElement === ids[0],
      ),
    );
  }
  t.end();
});

void t.test('what is written is read back, in both formats', (t) => {
  const sorted = (packages: readonly Package[]): readonly string[] =>
    packages.map((each) => JSON.stringify(each, Object.keys(each).toSorted())).toSorted();
  for (const text of [writeCycloneDx(document), writeSpdx(document)]) {
    const read = readSbom(new TextEncoder().encode(text));
    if (!read.ok) throw new Error(read.problem);
    t.strictSame(sorted(read.inventory.packages), sorted(inventory.packages));
    t.strictSame(read.inventory.distribution, inventory.distribution);
    t.strictSame(read.inventory.gaps, inventory.gaps);
    t.strictSame(read.origin.subject, document.subject);
    t.equal(read.origin.createdAt, Date.UTC(2026, 0, 2, 3, 4, 5));
  }
  t.end();
});

void t.test('equal documents give equal text, others another identity', (t) => {
  t.equal(writeCycloneDx(document), writeCycloneDx(structuredClone(document)));
  t.equal(writeSpdx(document), writeSpdx(structuredClone(document)));
  const serial = (text: string): string => (JSON.parse(text) as { serialNumber: string }).serialNumber;
  const later = { ...document, createdAt: document.createdAt + 1000 };
  t.not(serial(writeCycloneDx(document)), serial(writeCycloneDx(later)));
  t.match(
    serial(writeCycloneDx(document)),
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  t.end();
});

void t.test('CycloneDX: vulnerabilities, gaps and places', (t) => {
  const bom = JSON.parse(writeCycloneDx(document)) as {
    compositions: unknown;
    components: readonly { purl?: string; evidence?: unknown }[];
    vulnerabilities: readonly object[];
  };
  t.strictSame(bom.compositions, [{ aggregate: 'incomplete', assemblies: ['image'] }]);
  const lodash = bom.components.find(({ purl }) => purl === 'pkg:npm/lodash@4.17.15');
  t.match(lodash?.evidence, {
    occurrences: [
      { location: '/app/node_modules/lodash/package.json' },
      { location: '/opt/node_modules/lodash/package.json' },
    ],
  });
  t.equal(bom.vulnerabilities.length, 3, 'a suppressed match is an entry of its own');
  t.match(bom.vulnerabilities[0], {
    id: 'CVE-2020-8203',
    recommendation: 'Upgrade lodash to 4.17.19.',
    published: '2020-07-15T00:00:00Z',
    affects: [{ ref: 'pkg:npm/lodash@4.17.15', versions: [{ version: '4.17.15', status: 'affected' }] }],
  });
  t.match(bom.vulnerabilities[1], { ratings: [{ severity: 'info' }] });
  t.match(bom.vulnerabilities[2], { analysis: { state: 'not_affected', detail: 'Not reachable' } });
  t.equal((JSON.parse(writeCycloneDx(emptyDocument)) as { compositions?: unknown }).compositions, undefined);
  t.end();
});
