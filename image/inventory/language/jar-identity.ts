import { isVersion } from './detection.ts';

/** Maven coordinates of a jar; the version may be that of a snapshot. */
export interface Coordinates {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
}

/** What a jar says about itself. */
export interface JarEvidence {
  /** Name of the file without directories. */
  readonly fileName: string;
  /** Main section of `META-INF/MANIFEST.MF`, by attribute in lower case. */
  readonly manifest: ReadonlyMap<string, string>;
  /** Whether the jar holds an entry below a directory such as `org/springframework/`. */
  readonly hasDirectory: (prefix: string) => boolean;
}

const COORDINATE = /^[A-Za-z0-9_.-]{1,256}$/;

/** Coordinates of `pom.properties`, which Maven writes; undefined where one is missing or not resolved. */
export function parsePomProperties(text: string): Coordinates | undefined {
  const values = new Map<string, string>();
  for (const line of text.split('\n').slice(0, 1000)) {
    if (line.startsWith('#') || line.length > 1024) continue;
    const separator = /[=:]/.exec(line)?.index;
    if (separator !== undefined) values.set(line.slice(0, separator).trim(), line.slice(separator + 1).trim());
  }
  return coordinates(values.get('groupId'), values.get('artifactId'), values.get('version'));
}

/** Valid coordinates, or undefined. */
function coordinates(group?: string, artifact?: string, version?: string): Coordinates | undefined {
  if (group === undefined || artifact === undefined || version === undefined) return undefined;
  // An unresolved `${project.version}` is no version.
  if (!COORDINATE.test(group) || !COORDINATE.test(artifact) || !isVersion(version) || version.includes('$'))
    return undefined;
  return { group, artifact, version };
}

/** The main section of a manifest. Long values go on in lines that start with a space. */
export function parseManifest(text: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  let name: string | undefined;
  for (const raw of text.split('\n')) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') break;
    if (line.startsWith(' ')) {
      const value = name === undefined ? undefined : attributes.get(name);
      if (name !== undefined && value !== undefined && value.length < 4096) attributes.set(name, value + line.slice(1));
      continue;
    }
    const colon = line.indexOf(':');
    name = colon === -1 ? undefined : line.slice(0, colon).toLowerCase();
    if (name !== undefined && !attributes.has(name)) attributes.set(name, line.slice(colon + 1).trim());
  }
  return attributes;
}

/**
 * Groups whose jars carry no Maven coordinates, since Gradle or Ant builds them: names of artifacts, and a directory of
 * their classes that confirms it. From the projects' own build files.
 */
const GROUPS: readonly { readonly artifact: RegExp; readonly group: string; readonly directory: string }[] = [
  {
    artifact:
      /^spring-(?:aop|aspects|beans|context|context-indexer|context-support|core|expression|instrument|jcl|jdbc|jms|messaging|orm|oxm|r2dbc|test|tx|web|webflux|webmvc|websocket)$/,
    group: 'org.springframework',
    directory: 'org/springframework/',
  },
  {
    artifact: /^spring-boot(?:-[a-z0-9-]+)?$/,
    group: 'org.springframework.boot',
    directory: 'org/springframework/boot/',
  },
  {
    artifact: /^spring-security-[a-z0-9-]+$/,
    group: 'org.springframework.security',
    directory: 'org/springframework/security/',
  },
  { artifact: /^tomcat-embed-[a-z-]+$/, group: 'org.apache.tomcat.embed', directory: 'org/apache/' },
  {
    artifact: /^kafka-(?:clients|streams|server-common|raft|metadata)$/,
    group: 'org.apache.kafka',
    directory: 'org/apache/kafka/',
  },
  { artifact: /^kafka_2\.1[123]$/, group: 'org.apache.kafka', directory: 'kafka/' },
  { artifact: /^(?:okhttp|okhttp-jvm|logging-interceptor)$/, group: 'com.squareup.okhttp3', directory: 'okhttp3/' },
  { artifact: /^(?:okio|okio-jvm)$/, group: 'com.squareup.okio', directory: 'okio/' },
  { artifact: /^kotlin-(?:stdlib|reflect)(?:-[a-z0-9]+)*$/, group: 'org.jetbrains.kotlin', directory: 'kotlin/' },
  { artifact: /^hibernate-core$/, group: 'org.hibernate', directory: 'org/hibernate/' },
  { artifact: /^lucene-[a-z0-9-]+$/, group: 'org.apache.lucene', directory: 'org/apache/lucene/' },
  { artifact: /^groovy(?:-[a-z0-9-]+)?$/, group: 'org.codehaus.groovy', directory: 'groovy/' },
  { artifact: /^reactor-core$/, group: 'io.projectreactor', directory: 'reactor/' },
  { artifact: /^reactor-netty(?:-[a-z]+)?$/, group: 'io.projectreactor.netty', directory: 'reactor/netty/' },
];

/**
 * Coordinates of a jar without `pom.properties`: artifact and version by the name of the file or by the manifest, the
 * group by the table above or where the manifest names one that the classes confirm. Undefined where that is not
 * certain: a wrong group has no advisories.
 */
export function identifyJar({ fileName, manifest, hasDirectory }: JarEvidence): Coordinates | undefined {
  const file = parseFileName(fileName);
  const artifact = file.artifact;
  const version = file.version ?? manifest.get('implementation-version') ?? manifest.get('bundle-version');
  // `org.example; singleton:=true` has directives behind the name.
  const symbolicName = manifest.get('bundle-symbolicname')?.split(';')[0]?.trim();
  const tomcat = tomcatCoordinates(symbolicName, version);
  if (tomcat !== undefined) return tomcat;
  const known = GROUPS.find((each) => each.artifact.test(artifact) && hasDirectory(each.directory));
  if (known !== undefined) return coordinates(known.group, artifact, version);
  const vendor = manifest.get('implementation-vendor-id');
  const candidates = [vendor, withoutArtifact(symbolicName, artifact)];
  const group = candidates.find(
    (each) => each?.includes('.') === true && hasDirectory(`${each.replaceAll('.', '/')}/`),
  );
  return coordinates(group, artifact, version);
}

/** Tomcat calls `tomcat-catalina` the bundle `org.apache.tomcat-catalina` in `catalina.jar`, in every jar alike. */
function tomcatCoordinates(symbolicName: string | undefined, version: string | undefined): Coordinates | undefined {
  const part =
    symbolicName?.startsWith('org.apache.tomcat-') === true ? symbolicName.slice('org.apache.'.length) : undefined;
  return coordinates(
    part?.startsWith('tomcat-embed-') === true ? 'org.apache.tomcat.embed' : 'org.apache.tomcat',
    part,
    version,
  );
}

/** `org.example.library` of the artifact `library` names the group `org.example`. */
function withoutArtifact(symbolicName: string | undefined, artifact: string): string | undefined {
  if (symbolicName === undefined || !symbolicName.endsWith(`.${artifact}`)) return undefined;
  return symbolicName.slice(0, -artifact.length - 1);
}

/** `commons-io-2.11.0.jar` is artifact `commons-io` in version `2.11.0`. */
export function parseFileName(fileName: string): { readonly artifact: string; readonly version?: string } {
  const stem = fileName.replace(/\.[A-Za-z]+$/, '');
  const start = /-\d/.exec(stem)?.index;
  return start === undefined ? { artifact: stem } : { artifact: stem.slice(0, start), version: stem.slice(start + 1) };
}
