import { list, nullable, object, string, unknown } from '../../posture/schema.ts';
import type { Infer, Parsed } from '../../posture/schema.ts';
import type { PackageList } from './package-list.ts';
import { PROPERTIES } from './write-cyclonedx.ts';

/** Limits of a document; larger real ones are not known. */
export const MAX_COMPONENTS = 100_000;
const MAX_DEPTH = 32;

/** What a document says about itself. */
export interface SbomOrigin {
  /** Such as `CycloneDX 1.6`. */
  readonly format: string;
  /** Name of what it describes, and its digest where the document has one. */
  readonly subject?: { readonly name: string; readonly digest?: string };
  /** Milliseconds since the epoch. */
  readonly createdAt?: number;
}

const PROPERTY_LIST = nullable(list(object({ name: nullable(string()), value: nullable(string()) })));

const COMPONENT = object({
  type: string(),
  name: string(),
  group: nullable(string()),
  version: nullable(string()),
  purl: nullable(string()),
  properties: PROPERTY_LIST,
  evidence: nullable(
    object({ occurrences: nullable(list(object({ location: nullable(string()) }), '', MAX_COMPONENTS)) }),
  ),
  components: unknown(),
});
type Component = Infer<typeof COMPONENT>;

const BOM = object({
  specVersion: string(),
  metadata: nullable(object({ timestamp: nullable(string()), component: unknown(), properties: PROPERTY_LIST })),
  components: unknown(),
  compositions: nullable(list(object({ aggregate: string() }))),
});

/** Kinds of components that are packages; files, data, services of hardware and the like are not. */
const PACKAGE_TYPES: ReadonlySet<string> = new Set(['library', 'framework', 'application', 'platform']);

/**
 * Reads CycloneDX 1.2 to 1.7 into a list of packages: components at any depth with their package URLs, source packages as
 * Trivy and Syft write them, the operating system. The problem of a failure names the place and quotes nothing.
 */
export function readCycloneDx(value: unknown, packages: PackageList): Parsed<SbomOrigin> {
  const bom = BOM.parse(value);
  if (!bom.ok) return bom;
  const { specVersion, metadata, compositions } = bom.value;
  if (!/^1\.[2-7]$/.test(specVersion)) return { ok: false, problem: '.specVersion: expected 1.2 to 1.7' };
  const root =
    metadata?.component === undefined || metadata.component === null
      ? undefined
      : COMPONENT.parse(metadata.component, '.metadata.component');
  if (root?.ok === false) return root;
  const lists = [
    { value: root?.value.components, at: '.metadata.component.components' },
    { value: bom.value.components, at: '.components' },
  ];
  const walked = walk(lists, packages);
  if (!walked.ok) return walked;
  for (const text of valuesOf(metadata?.properties ?? null, PROPERTIES.gap)) packages.addGap(splitGap(text));
  const incomplete = compositions?.some(({ aggregate }) => aggregate.startsWith('incomplete')) === true;
  if (incomplete && packages.gaps.length === 0) packages.addGap({ path: 'SBOM', reason: 'says that it is incomplete' });
  return { ok: true, value: origin(specVersion, root?.value, metadata?.timestamp ?? null) };
}

/** Visits nested components level by level, so that no depth of them overflows the stack. */
function walk(
  start: readonly { readonly value: unknown; readonly at: string }[],
  packages: PackageList,
): Parsed<undefined> {
  let level = start;
  let seen = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: { value: unknown; at: string }[] = [];
    for (const { value, at } of level) {
      if (value === undefined || value === null) continue;
      if (depth === MAX_DEPTH)
        return { ok: false, problem: `${at}: expected at most ${String(MAX_DEPTH)} levels of components` };
      if (!Array.isArray(value)) return { ok: false, problem: `${at}: expected a list` };
      seen += value.length;
      if (seen > MAX_COMPONENTS)
        return { ok: false, problem: `${at}: expected at most ${String(MAX_COMPONENTS)} components` };
      for (const [index, each] of value.entries()) {
        const place = `${at}[${String(index)}]`;
        const component = COMPONENT.parse(each, place);
        if (!component.ok) return component;
        addComponent(component.value, packages);
        next.push({ value: component.value.components, at: `${place}.components` });
      }
    }
    level = next;
  }
  return { ok: true, value: undefined };
}

function addComponent(component: Component, packages: PackageList): void {
  const { type, name, version, group, purl, properties } = component;
  const property = (...names: readonly string[]): string | undefined =>
    names.map((each) => valuesOf(properties, each)[0]).find((each) => each !== undefined);
  if (type === 'operating-system') {
    const like = property(PROPERTIES.like)?.split(' ') ?? syftLike(properties);
    const named = property('syft:distro:id') ?? name;
    packages.addSystem({
      name: named,
      version: property('syft:distro:versionID') ?? version ?? undefined,
      codename: property(PROPERTIES.codename),
      like,
    });
    return;
  }
  if (purl === null || purl === '') {
    if (isUnidentified(type, version)) packages.addUnidentified();
    return;
  }
  const fullName = group === null || group === '' ? name : `${group}/${name}`;
  packages.add({
    purl,
    name: fullName,
    version: version ?? undefined,
    source: sourceOf(property),
    vendor: property(PROPERTIES.vendor),
    modularity: property('aquasecurity:trivy:Modularitylabel', 'syft:metadata:modularityLabel'),
    paths: locations(component, property('aquasecurity:trivy:FilePath', 'syft:location:0:path', 'SrcFile')),
  });
}

function syftLike(properties: Infer<typeof PROPERTY_LIST>): readonly string[] {
  const like = (properties ?? []).filter(({ name }) => name?.startsWith('syft:distro:idLike:') === true);
  return like.flatMap(({ value }) => (value === null ? [] : [value]));
}

/** Scanners list lock files and programs as applications without a version: these are places, not packages. */
function isUnidentified(type: string, version: string | null): boolean {
  return PACKAGE_TYPES.has(type) && (type !== 'application' || (version !== null && version !== ''));
}

/** The source package: Trivy splits its version into epoch, version and release. */
function sourceOf(
  property: (...names: readonly string[]) => string | undefined,
): { name: string; version?: string | undefined } | undefined {
  const own = property(PROPERTIES.sourceName);
  if (own !== undefined) return { name: own, version: property(PROPERTIES.sourceVersion) };
  const name = property('aquasecurity:trivy:SrcName');
  if (name === undefined) return undefined;
  const version = property('aquasecurity:trivy:SrcVersion');
  if (version === undefined) return { name };
  const epoch = property('aquasecurity:trivy:SrcEpoch');
  const release = property('aquasecurity:trivy:SrcRelease');
  return {
    name,
    version: `${epoch === undefined || epoch === '0' ? '' : `${epoch}:`}${version}${release === undefined ? '' : `-${release}`}`,
  };
}

function locations(component: Component, location: string | undefined): readonly string[] | undefined {
  const occurrences =
    component.evidence?.occurrences?.flatMap((each) => (each.location === null ? [] : [each.location])) ?? [];
  if (occurrences.length > 0) return occurrences;
  return location === undefined ? undefined : [location];
}

function valuesOf(properties: Infer<typeof PROPERTY_LIST>, name: string): readonly string[] {
  return (properties ?? []).flatMap((each) => (each.name === name && each.value !== null ? [each.value] : []));
}

function splitGap(text: string): { readonly path: string; readonly reason: string } {
  const end = text.indexOf(': ');
  return end === -1 ? { path: 'SBOM', reason: text } : { path: text.slice(0, end), reason: text.slice(end + 2) };
}

function origin(specVersion: string, root: Component | undefined, timestamp: string | null): SbomOrigin {
  const createdAt = timestamp === null ? Number.NaN : Date.parse(timestamp);
  // Image scanners write the digest as the version or into the package URL of the image.
  const digests = valuesOf(root?.properties ?? null, 'aquasecurity:trivy:RepoDigest');
  const places = [root?.version ?? '', decodeDigest(root?.purl ?? ''), ...digests].join(' ');
  const digest = /sha256:[0-9a-f]{64}/.exec(places)?.[0];
  return {
    format: `CycloneDX ${specVersion}`,
    ...(root !== undefined && { subject: { name: root.name, ...(digest !== undefined && { digest }) } }),
    ...(Number.isFinite(createdAt) && { createdAt }),
  };
}

function decodeDigest(purl: string): string {
  return purl.replace(/sha256%3a/i, 'sha256:');
}
