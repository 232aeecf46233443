/**
 * References of images and patterns of repositories as CEL expressions with regular expressions of RE2. They repeat
 * `policy/reference.ts` and `policy/registry-pattern.ts`, whose grammar is that of distribution/reference; the tests
 * compare both on the same pods.
 */
import { DEFAULT_REGISTRY } from '../reference.ts';
import type { RegistryPattern } from '../registry-pattern.ts';
import { celMatches, regexLiteral } from './cel-text.ts';

const LABEL = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])';
const REGISTRY = `(?:${LABEL}(?:\\.${LABEL})*|\\[[A-Fa-f0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*';
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})';

/** A complete reference: registry, path, tag, digest. */
const COMPLETE = `^${REGISTRY}/${COMPONENT}(?:/${COMPONENT})*(?::${TAG})?(?:@${DIGEST})?$`;
/** Lengths of registry and path. */
const LENGTHS = '^[^/]{1,255}/[^:@]{1,255}(?:[:@]|$)';
/** The first part is a registry and not a namespace of Docker Hub. */
const HAS_REGISTRY = '^(?:localhost|[^/]*[.:A-Z][^/]*)/';
const ID = '^(?:sha256:)?[a-f0-9]{64}$';
/** What Docker may take as the beginning of an id. */
const MAY_BE_ID = '^(?:sha256:)?[a-f0-9]{1,64}$';

/** The completed reference of `image`; empty for an id and for texts that are too long. */
export function completionOf(image: string): string {
  const isHubName = celMatches(image, '^(?:index\\.)?docker\\.io/[^/]+$');
  return (
    `${image}.size() > 1024 || ${celMatches(image, ID)} ? '' : ` +
    `${celMatches(image, HAS_REGISTRY)} ? ` +
    `(${isHubName} ? 'docker.io/library/' + ${image}.substring(${image}.indexOf('/') + 1) : string(${image})) : ` +
    `${image}.contains('/') ? 'docker.io/' + ${image} : 'docker.io/library/' + ${image}`
  );
}

/** The completed reference `name` with the tag `latest` where it has neither tag nor digest; empty where it is malformed. */
export function validatedName(name: string): string {
  const isValid = `${celMatches(name, COMPLETE)} && ${celMatches(name, LENGTHS)}`;
  return `${isValid} ? (${celMatches(name, '^[^/]+/[^:@]+$')} ? string(${name}) + ':latest' : string(${name})) : ''`;
}

/** Whether the text of a reference may be the id of an image. */
export function mayBeId(image: string): string {
  return celMatches(image, MAY_BE_ID);
}

/** Whether a pattern covers the completed reference `name`. */
export function coversName(pattern: RegistryPattern, name: string): string {
  return celMatches(name, `^${registryRegex(pattern.registry)}/${pathRegex(pattern.path)}(?:[:@].*)?$`);
}

/** Registries are compared without case, without the port 443 and without leading zeros of a port. */
function registryRegex(labels: RegistryPattern['registry']): string {
  if (labels === undefined) return '[^/]+';
  const text = labels.join('.');
  if (text === DEFAULT_REGISTRY) return '(?i:docker\\.io|index\\.docker\\.io|registry-1\\.docker\\.io)(?::0*443)?';
  const [, host = text, port] = /^(.*?)(?::([0-9]+))?$/s.exec(text) ?? [];
  const parts = host.startsWith('[')
    ? [regexLiteral(host)]
    : host.split('.').map((label) => (label === '*' ? '[A-Za-z0-9-]+' : regexLiteral(label)));
  return `(?i:${parts.join('\\.')})${port === undefined ? '(?::0*443)?' : `:0*${port}`}`;
}

function pathRegex(path: readonly string[]): string {
  return path
    .map((component, index) => {
      // The last component is never `**`; see `parseRegistryPattern`.
      if (component === '**') return '(?:[^/:@]+/)*';
      const text = component.split('*').map(regexLiteral).join('[^/:@]*');
      return index === path.length - 1 ? text : `${text}/`;
    })
    .join('');
}
