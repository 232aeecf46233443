/**
 * Patterns that name registries and repositories, for allow lists and for the images that a policy covers:
 *
 * | pattern                        | covers                                                          |
 * | ------------------------------ | --------------------------------------------------------------- |
 * | `registry.example.com/team/app`| this repository                                                 |
 * | `registry.example.com/team/*`  | the repositories directly below `team`                          |
 * | `registry.example.com/team/**` | all below `team`, at any depth                                  |
 * | `registry.example.com:5000/**` | a registry at a port                                            |
 * | `*.example.com/**`             | registries of which the first label is any one                  |
 * | `alpine`, `bitnami/*`          | Docker Hub, completed as references are                         |
 * | `**`                           | every image                                                     |
 *
 * `*` is any text within one component, `**` any number of components. In the host, `*` is exactly one whole label.
 */
import { canonicalRegistry, DEFAULT_REGISTRY, looksLikeRegistry } from './reference.ts';
import type { ImageReference } from './reference.ts';
import type { ImagePatterns } from '../vulnerability/waiver.ts';

/** A parsed pattern; see {@link parseRegistryPattern}. */
export interface RegistryPattern {
  /** As it was written. */
  readonly text: string;
  /** Labels of the host, the last with its port; undefined: any registry. */
  readonly registry: readonly string[] | undefined;
  /** Components of the path; `**` is any number of them. */
  readonly path: readonly string[];
}

/** Outcome of {@link parseRegistryPattern}; `reason` says what to write instead. */
export type ParsedPattern =
  { readonly ok: true; readonly value: RegistryPattern } | { readonly ok: false; readonly reason: string };

const MAX_PATTERN = 512;
const LABEL = /^(?:\*|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)$/;
const COMPONENT = /^(?:\*\*|[a-z0-9*](?:[a-z0-9._*-]*[a-z0-9*])?)$/;

/** Parses a pattern. Refuses what would silently cover something else than the reader expects. */
export function parseRegistryPattern(text: string): ParsedPattern {
  if (text === '') return refuse('a pattern must not be empty; write ** for every image');
  if (text.length > MAX_PATTERN) return refuse(`a pattern has at most ${String(MAX_PATTERN)} characters`);
  if (/[^!-~]/.test(text)) return refuse('a pattern holds only printable ASCII characters');
  if (text.includes('://')) return refuse('a pattern has no scheme: write registry.example.com/team/*');
  if (text.includes('@')) return refuse('a pattern has no user and no digest: it names registry and repository');
  const parts = text.split('/');
  const first = parts[0] ?? '';
  if (parts.length === 1) return parseSingle(text);
  if (first === '*') return refuse('the first * is ambiguous: write **/… for any registry, or docker.io/*/…');
  const path = parts.slice(1);
  if (first === '**') return build(text, undefined, ['**', ...path]);
  if (looksLikeRegistry(first)) return parseWithRegistry(text, first, path);
  return build(text, DEFAULT_REGISTRY.split('.'), parts);
}

/** Whether the pattern covers the repository of the reference. Tag and digest do not matter. */
export function matchesPattern(
  pattern: RegistryPattern,
  { registry, path }: Pick<ImageReference, 'registry' | 'path'>,
): boolean {
  if (pattern.registry !== undefined) {
    const labels = labelsOf(canonicalRegistry(registry));
    if (labels.length !== pattern.registry.length) return false;
    if (!pattern.registry.every((label, index) => isLabelMatch(label, labels[index] ?? ''))) return false;
  }
  return matchWildcards(path.split('/'), pattern.path, {
    isAny: (component) => component === '**',
    isMatch: (component, value) =>
      matchWildcards(value.split(''), component.split(''), {
        isAny: (character) => character === '*',
        isMatch: (a, b) => a === b,
      }),
  });
}

/** The same language for waivers of vulnerabilities. A pattern that is not valid covers nothing. */
export const IMAGE_PATTERNS: ImagePatterns = Object.freeze({
  problemOf: (text) => {
    const parsed = parseRegistryPattern(text);
    return parsed.ok ? undefined : parsed.reason;
  },
  covers: (text, repository) => {
    const parsed = parseRegistryPattern(text);
    const slash = repository.indexOf('/');
    const reference = { registry: repository.slice(0, slash), path: repository.slice(slash + 1) };
    return parsed.ok && slash > 0 && matchesPattern(parsed.value, reference);
  },
} satisfies ImagePatterns);

/**
 * Orders patterns for sorting, the most specific first: a literal registry before one with `*` before any; then by the
 * components of the path from the left, literal before `a*` (more literal characters first) before `*` before `**`.
 * 0 where two patterns are equally specific: if both cover an image, they conflict.
 */
export function compareSpecificity(a: RegistryPattern, b: RegistryPattern): number {
  return compareRanks(ranksOf(b), ranksOf(a));
}

/** The most specific patterns that cover the reference: none, one, or several that are equally specific. */
export function mostSpecific<T>(
  candidates: readonly T[],
  patternOf: (candidate: T) => RegistryPattern,
  reference: ImageReference,
): readonly T[] {
  let best: readonly T[] = [];
  for (const candidate of candidates) {
    if (!matchesPattern(patternOf(candidate), reference)) continue;
    const [first] = best;
    const order = first === undefined ? -1 : compareSpecificity(patternOf(candidate), patternOf(first));
    if (order < 0) best = [candidate];
    else if (order === 0) best = [...best, candidate];
  }
  return best;
}

function parseSingle(text: string): ParsedPattern {
  if (text === '**') return build(text, undefined, ['**']);
  if (text === '*') return refuse('* is ambiguous: write ** for every image, or docker.io/library/*');
  if (text.includes(':')) return refuse(NO_TAG);
  if (text === 'localhost' || text.includes('.'))
    return refuse('a registry alone is ambiguous: write it as registry.example.com/** for all its repositories');
  return build(text, DEFAULT_REGISTRY.split('.'), ['library', text]);
}

const NO_TAG = 'a pattern has no tag: it names registry and repository, such as registry.example.com/team/*';

function parseWithRegistry(text: string, registry: string, path: readonly string[]): ParsedPattern {
  const canonical = canonicalRegistry(registry);
  const labels = labelsOf(canonical);
  if (!isValidRegistry(labels))
    return refuse('the part before the first / is not a registry: host name, * as a label, port');
  if (labels.at(-1)?.startsWith('*') === true || labels.every((label) => label === '*'))
    return refuse('the last label of a registry must not be *: anyone can register such a name');
  const isHub = canonical === DEFAULT_REGISTRY;
  return build(text, labels, isHub && path.length === 1 && path[0] !== '**' ? ['library', ...path] : path);
}

function build(text: string, registry: readonly string[] | undefined, path: readonly string[]): ParsedPattern {
  if (path.some((component) => component.includes(':'))) return refuse(NO_TAG);
  if (path.some((component) => component.toLowerCase() !== component))
    return refuse('the name of a repository is in lower case');
  if (path.some((component) => component === ''))
    return refuse('a component of the path is empty: write registry.example.com/team/** for all below team');
  if (path.some((component) => component !== '**' && component.includes('**')))
    return refuse('** must be a whole component, such as team/**');
  if (!path.every((component) => COMPONENT.test(component)))
    return refuse('a component of the path is not valid: lower-case letters, digits, . _ - and *');
  // `team/**` covers what is below team, not team itself.
  return { ok: true, value: { text, registry, path: path.at(-1) === '**' ? [...path, '*'] : path } };
}

/** An address in brackets is one label; a port belongs to the last one. */
function labelsOf(registry: string): readonly string[] {
  return registry.startsWith('[') ? [registry] : registry.split('.');
}

function isValidRegistry(labels: readonly string[]): boolean {
  const only = labels[0] ?? '';
  if (labels.length === 1 && only.startsWith('[')) return /^\[[a-f0-9:]+\](?::[0-9]+)?$/.test(only);
  return labels.every((label, index) =>
    LABEL.test(index === labels.length - 1 ? label.replace(/:[0-9]+$/, '') : label),
  );
}

function isLabelMatch(label: string, value: string): boolean {
  return label === '*' ? value !== '' : label === value;
}

interface Wildcards<P, V> {
  readonly isAny: (pattern: P) => boolean;
  readonly isMatch: (pattern: P, value: V) => boolean;
}

/** Wildcard match that goes back to the last wildcard only: at most values × patterns comparisons. */
function matchWildcards<P, V>(
  values: readonly V[],
  patterns: readonly P[],
  { isAny, isMatch }: Wildcards<P, V>,
): boolean {
  let value = 0;
  let pattern = 0;
  let resume: { readonly pattern: number; value: number } | undefined;
  while (value < values.length) {
    const current = patterns[pattern];
    if (current !== undefined && isAny(current)) {
      resume = { pattern: pattern + 1, value };
      pattern += 1;
    } else if (current !== undefined && isMatch(current, values[value] as V)) {
      value += 1;
      pattern += 1;
    } else if (resume === undefined) return false;
    else {
      resume.value += 1;
      ({ value, pattern } = resume);
    }
  }
  return patterns.slice(pattern).every(isAny);
}

/** Ranks of a pattern, greater is more specific; compared from the left. */
function ranksOf({ registry, path }: RegistryPattern): readonly number[] {
  const literal = registry === undefined ? -1 : registry.filter((label) => label !== '*').length;
  const isExact = registry !== undefined && literal === registry.length;
  // Two whole hosts that cover the same reference are equal, whatever their length.
  return [isExact ? 1000 : literal, ...path.map(rankOfComponent), END_RANK];
}

const END_RANK = 2000;

function rankOfComponent(component: string): number {
  if (component === '**') return 0;
  if (!component.includes('*')) return 1000;
  return 1 + component.replaceAll('*', '').length;
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? END_RANK) - (b[index] ?? END_RANK);
    if (difference !== 0) return difference;
  }
  return 0;
}

function refuse(reason: string): ParsedPattern {
  return { ok: false, reason };
}
