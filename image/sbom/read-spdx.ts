import { list, nullable, object, string } from '../../posture/schema.ts';
import type { Infer, Parsed } from '../../posture/schema.ts';
import { entries, field, items, parseJson } from '../inventory/language/manifest-content.ts';
import type { PackageList } from './package-list.ts';
import { MAX_COMPONENTS } from './read-cyclonedx.ts';
import type { SbomOrigin } from './read-cyclonedx.ts';
import { ANNOTATION_PREFIX } from './write-spdx.ts';

const ANNOTATIONS = nullable(list(object({ comment: nullable(string()) })));

const PACKAGE = object({
  SPDXID: string(),
  name: string(),
  versionInfo: nullable(string()),
  sourceInfo: nullable(string()),
  primaryPackagePurpose: nullable(string()),
  externalRefs: nullable(list(object({ referenceType: nullable(string()), referenceLocator: nullable(string()) }))),
  annotations: ANNOTATIONS,
});
type SpdxPackage = Infer<typeof PACKAGE>;

const DOCUMENT = object({
  spdxVersion: string(),
  creationInfo: nullable(object({ created: nullable(string()) })),
  documentDescribes: nullable(list(string(), '', MAX_COMPONENTS)),
  packages: nullable(list(PACKAGE, '', MAX_COMPONENTS)),
  relationships: nullable(
    list(
      object({ spdxElementId: string(), relationshipType: string(), relatedSpdxElement: string() }),
      '',
      10 * MAX_COMPONENTS,
    ),
  ),
});

/** Purposes of elements that are places or wholes, not packages of their own. */
const PLACES: ReadonlySet<string> = new Set(['CONTAINER', 'FILE', 'DEVICE', 'FIRMWARE']);

/**
 * Reads SPDX 2.2 and 2.3 into a list of packages: those with a package URL, source packages as Trivy and Syft write
 * them, the operating system. The problem of a failure names the place and quotes nothing.
 */
export function readSpdx(value: unknown, packages: PackageList): Parsed<SbomOrigin> {
  const document = DOCUMENT.parse(value);
  if (!document.ok) return document;
  const { spdxVersion, creationInfo, relationships, documentDescribes } = document.value;
  if (!/^SPDX-2\.[23]$/.test(spdxVersion)) return { ok: false, problem: '.spdxVersion: expected SPDX-2.2 or SPDX-2.3' };
  const described = new Set(documentDescribes ?? []);
  for (const { spdxElementId, relationshipType, relatedSpdxElement } of relationships ?? []) {
    if (spdxElementId === 'SPDXRef-DOCUMENT' && relationshipType === 'DESCRIBES') described.add(relatedSpdxElement);
  }
  const elements = document.value.packages ?? [];
  for (const element of elements) addElement(element, described, packages);
  const root = elements.find(({ SPDXID }) => described.has(SPDXID));
  return { ok: true, value: origin(spdxVersion, root, creationInfo?.created ?? null) };
}

function addElement(element: SpdxPackage, described: ReadonlySet<string>, packages: PackageList): void {
  const { SPDXID, name, versionInfo, primaryPackagePurpose: purpose } = element;
  const notes = annotations(element);
  for (const gap of notes.flatMap((note) => [field(note, 'gap')])) addGap(gap, packages);
  if (isSystem(element)) {
    const like = notes.flatMap((note) => items(field(note, 'like'))).filter((each) => typeof each === 'string');
    packages.addSystem({ name, version: versionInfo ?? undefined, codename: text(notes, 'codename'), like });
    return;
  }
  const purl =
    element.externalRefs?.find(({ referenceType }) => referenceType === 'purl')?.referenceLocator ?? undefined;
  // The image itself, which may have a package URL of its kind.
  if (purpose === 'CONTAINER' && described.has(SPDXID)) return;
  if (purl === undefined) {
    if (!isPlace(element, described)) packages.addUnidentified();
    return;
  }
  const paths = notes.flatMap((note) => items(field(note, 'paths'))).filter((each) => typeof each === 'string');
  packages.add({
    purl,
    name,
    version: versionInfo ?? undefined,
    source: sourceOf(element.sourceInfo),
    vendor: text(notes, 'vendor'),
    paths: paths.length > 0 ? paths : undefined,
  });
}

/** Before purposes were part of SPDX, Trivy marked operating systems by their id. */
function isSystem({ SPDXID, primaryPackagePurpose: purpose }: SpdxPackage): boolean {
  if (purpose === null) return SPDXID.startsWith('SPDXRef-OperatingSystem');
  return purpose === 'OPERATING_SYSTEM' || purpose === 'OPERATING-SYSTEM';
}

/** What is described, and programs and lock files that scanners list without a version, are no packages. */
function isPlace(
  { SPDXID, primaryPackagePurpose: purpose, versionInfo }: SpdxPackage,
  described: ReadonlySet<string>,
): boolean {
  if (purpose !== null && PLACES.has(purpose)) return true;
  const application = purpose === 'APPLICATION' || SPDXID.startsWith('SPDXRef-Application-');
  return (described.has(SPDXID) || application) && (versionInfo === null || versionInfo === '');
}

/** `built package from: NAME VERSION`, as Trivy writes it. */
function sourceOf(sourceInfo: string | null): { name: string; version: string } | undefined {
  const match = /^built package from: (\S{1,512}) (\S{1,256})$/.exec(sourceInfo ?? '');
  return match?.[1] === undefined || match[2] === undefined ? undefined : { name: match[1], version: match[2] };
}

/** The annotations that this program wrote; of others nothing is read. */
function annotations({ annotations }: SpdxPackage): readonly unknown[] {
  return (annotations ?? []).flatMap(({ comment }) => {
    if (comment?.startsWith(ANNOTATION_PREFIX) !== true) return [];
    const content = parseJson(comment.slice(ANNOTATION_PREFIX.length));
    return content.ok ? [content.value] : [];
  });
}

function text(notes: readonly unknown[], name: string): string | undefined {
  return notes.map((note) => field(note, name)).find((each) => typeof each === 'string');
}

function addGap(gap: unknown, packages: PackageList): void {
  const path = field(gap, 'path');
  const reason = field(gap, 'reason');
  if (typeof path === 'string' && typeof reason === 'string') packages.addGap({ path, reason });
  else if (entries(gap).length > 0) packages.addGap({ path: 'SBOM', reason: 'has a gap that cannot be read' });
}

function origin(spdxVersion: string, root: SpdxPackage | undefined, created: string | null): SbomOrigin {
  const createdAt = created === null ? Number.NaN : Date.parse(created);
  const digest = /sha256:[0-9a-f]{64}/.exec(root?.versionInfo ?? '')?.[0];
  return {
    format: spdxVersion.replace('-', ' '),
    ...(root !== undefined && { subject: { name: root.name, ...(digest !== undefined && { digest }) } }),
    ...(Number.isFinite(createdAt) && { createdAt }),
  };
}
