import { GROUP_BY } from '../api/finding.ts';
import type { GroupBy } from '../api/finding.ts';
import { readCheckFilter, writeCheckFilter } from './check/check-filter.ts';
import type { CheckFilter } from './check/check-filter.ts';
import { readTrendRange, writeTrendRange } from './fleet/trend.ts';
import type { TrendRange } from './fleet/trend.ts';
import { NO_FILTER, readFilter, writeFilter } from './filter.ts';
import type { FindingFilter } from './filter.ts';
import { NO_DETECTION_FILTER, readDetectionFilter, writeDetectionFilter } from './detection/detection-filter.ts';
import type { DetectionFilter } from './detection/detection-filter.ts';
import { NO_DENIAL_FILTER, readDenialFilter, writeDenialFilter } from './enforcement/denial-filter.ts';
import type { DenialFilter } from './enforcement/denial-filter.ts';
import {
  NO_VULNERABILITY_FILTER,
  readVulnerabilityFilter,
  writeVulnerabilityFilter,
} from './vulnerabilities/vulnerability-filter.ts';
import type { VulnerabilityFilter } from './vulnerabilities/vulnerability-filter.ts';

/** The view that is open: the part of the address after `#`. */
export type Route =
  /** `range`: the time that the plot shows. */
  | { readonly view: 'overview'; readonly range: TrendRange }
  | { readonly view: 'node'; readonly nodeId: string }
  | { readonly view: 'container'; readonly nodeId: string; readonly containerId: string }
  | { readonly view: 'images' }
  | { readonly view: 'image'; readonly imageId: string }
  | { readonly view: 'vulnerabilities'; readonly filter: VulnerabilityFilter }
  | { readonly view: 'vulnerability'; readonly vulnerabilityId: string }
  | { readonly view: 'fixes' }
  /** `nodeId`: only what happened there; empty: everywhere. */
  | { readonly view: 'history'; readonly nodeId: string }
  /** `group`: what the findings are counted by. `open`: the finding whose details are open beside the list. */
  | {
      readonly view: 'findings';
      readonly filter: FindingFilter;
      readonly group: GroupBy | undefined;
      readonly open: FindingPlace | undefined;
    }
  | { readonly view: 'checks'; readonly filter: CheckFilter }
  | { readonly view: 'check'; readonly checkId: string }
  | { readonly view: 'benchmarks' }
  /** `nodeId`: only the results there; empty: over the fleet. */
  | { readonly view: 'benchmark'; readonly benchmarkId: string; readonly nodeId: string }
  | { readonly view: 'query'; readonly query: QueryPlace }
  /** `namespace`: where the running images are taken to run; empty: in none. */
  | { readonly view: 'policies'; readonly namespace: string }
  | { readonly view: 'exemptions' }
  | { readonly view: 'waivers' }
  | { readonly view: 'denials'; readonly filter: DenialFilter }
  | { readonly view: 'denial'; readonly denialId: string }
  /** `withNothing`: also the workloads with nothing to do. */
  | { readonly view: 'rollouts'; readonly withNothing: boolean }
  | { readonly view: 'rollout'; readonly rolloutId: string }
  | { readonly view: 'detections'; readonly filter: DetectionFilter }
  | { readonly view: 'detection'; readonly detectionId: string }
  | { readonly view: 'sinks' }
  /** `sink`: only those of this sink; empty: of all. */
  | { readonly view: 'deadLetters'; readonly sink: string }
  | { readonly view: 'deadLetter'; readonly deadLetterId: string }
  | { readonly view: 'unknown'; readonly path: string };

/** A query in an address. */
export interface QueryPlace {
  readonly expression: string;
  /** Ids or names of the nodes to ask; empty: all. */
  readonly nodes: readonly string[];
  /** Undefined: the usual deadline. */
  readonly deadlineMs: number | undefined;
  /** Whether the query runs when the address is opened: so a link shows the answer of now. */
  readonly isRun: boolean;
}

/**
 * Where a finding is. The uid names it; the API finds it by node, check and subject, which a link therefore carries
 * too. They are missing in a link that was written by hand.
 */
export interface FindingPlace {
  readonly uid: string;
  readonly identity: FindingIdentity | undefined;
}

/** What makes a finding the one it is. */
export interface FindingIdentity {
  readonly nodeId: string;
  readonly check: string;
  readonly subjectKind: string;
  readonly subjectId: string;
}

/** The place that a hash (`#/findings?severity=high`) names. Never throws. */
export function readRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s);
  const params = new URLSearchParams(query);
  const [first = '', ...rest] = path.split('/').filter((part) => part !== '');
  const name = decode(rest.join('/'));
  switch (first) {
    case '':
      return { view: 'overview', range: readTrendRange(params) };
    case 'nodes':
      return nodeRoute(rest, params);
    case 'images':
      return name === '' ? { view: 'images' } : { view: 'image', imageId: name };
    case 'vulnerabilities':
      return name === ''
        ? { view: 'vulnerabilities', filter: readVulnerabilityFilter(params) }
        : { view: 'vulnerability', vulnerabilityId: name };
    case 'fixes':
      return { view: 'fixes' };
    case 'history':
      return { view: 'history', nodeId: params.get('node') ?? '' };
    case 'findings':
      return {
        view: 'findings',
        filter: readFilter(params),
        group: GROUP_BY.find((by) => by === params.get('group')),
        open: placeOf(name, params.get('of') ?? ''),
      };
    case 'checks':
      return name === '' ? { view: 'checks', filter: readCheckFilter(params) } : { view: 'check', checkId: name };
    case 'benchmarks':
      return name === ''
        ? { view: 'benchmarks' }
        : { view: 'benchmark', benchmarkId: name, nodeId: params.get('node') ?? '' };
    case 'query':
      return { view: 'query', query: readQuery(params) };
    case 'policies':
      return { view: 'policies', namespace: (params.get('namespace') ?? '').slice(0, MAX_NAMESPACE) };
    case 'exemptions':
      return { view: 'exemptions' };
    case 'waivers':
      return { view: 'waivers' };
    case 'denials':
      return name === '' ? { view: 'denials', filter: readDenialFilter(params) } : { view: 'denial', denialId: name };
    case 'rollouts':
      return name === ''
        ? { view: 'rollouts', withNothing: params.get('all') === 'true' }
        : { view: 'rollout', rolloutId: name };
    case 'detections':
      return name === ''
        ? { view: 'detections', filter: readDetectionFilter(params) }
        : { view: 'detection', detectionId: name };
    case 'sinks':
      return { view: 'sinks' };
    case 'dead-letters':
      return name === ''
        ? { view: 'deadLetters', sink: (params.get('sink') ?? '').slice(0, MAX_SINK) }
        : { view: 'deadLetter', deadLetterId: name };
    default:
      return { view: 'unknown', path };
  }
}

/** The hash for the overview with the plot of a range. */
export function overviewHash(range: TrendRange): string {
  return withQuery('#/', writeTrendRange(range));
}

/** The hash for a node. */
export function nodeHash(nodeId: string): string {
  return `#/nodes/${encodeURIComponent(nodeId)}`;
}

/** The hash for a container of a node. */
export function containerHash(nodeId: string, containerId: string): string {
  return `${nodeHash(nodeId)}/containers/${encodeURIComponent(containerId)}`;
}

/** The hash for the list of images. */
export function imagesHash(): string {
  return '#/images';
}

/** The hash for a list of vulnerabilities. */
export function vulnerabilitiesHash(filter: Partial<VulnerabilityFilter> = {}): string {
  return withQuery('#/vulnerabilities', writeVulnerabilityFilter({ ...NO_VULNERABILITY_FILTER, ...filter }));
}

/** The hash for a vulnerability. */
export function vulnerabilityHash(vulnerabilityId: string): string {
  return `#/vulnerabilities/${encodeURIComponent(vulnerabilityId)}`;
}

/** The hash for the list of upgrades. */
export function fixesHash(): string {
  return '#/fixes';
}

/** The hash for an image. */
export function imageHash(imageId: string): string {
  return `#/images/${encodeURIComponent(imageId)}`;
}

/** The hash for the history of all nodes, or of one. */
export function historyHash(nodeId = ''): string {
  return withQuery('#/history', nodeId === '' ? '' : new URLSearchParams({ node: nodeId }).toString());
}

/** The hash for a list of findings, or for groups of them. */
export function findingsHash(filter: Partial<FindingFilter> = {}, group?: GroupBy): string {
  const by = group === undefined ? '' : `group=${group}`;
  return withQuery(
    '#/findings',
    [writeFilter({ ...NO_FILTER, ...filter }), by].filter((part) => part !== '').join('&'),
  );
}

/** The hash for one finding, beside the list that `filter` gives. */
export function findingHash(
  { uid, nodeId, id }: { readonly uid: string; readonly nodeId: string; readonly id: string },
  filter: Partial<FindingFilter> = {},
): string {
  const of = new URLSearchParams({ of: `${encodeURIComponent(nodeId)}/${id}` }).toString();
  const query = [writeFilter({ ...NO_FILTER, ...filter }), of].filter((part) => part !== '').join('&');
  return withQuery(`#/findings/${encodeURIComponent(uid)}`, query);
}

/** The hash for a list of checks. */
export function checksHash(filter: Partial<CheckFilter> = {}): string {
  return withQuery('#/checks', writeCheckFilter({ text: '', severities: [], ...filter }));
}

/** The hash for a check. */
export function checkHash(checkId: string): string {
  return `#/checks/${encodeURIComponent(checkId)}`;
}

/** The hash for the list of benchmarks. */
export function benchmarksHash(): string {
  return '#/benchmarks';
}

/** The hash for the results of a benchmark, over the fleet or on one node. */
export function benchmarkHash(benchmarkId: string, nodeId = ''): string {
  const query = nodeId === '' ? '' : new URLSearchParams({ node: nodeId }).toString();
  return withQuery(`#/benchmarks/${encodeURIComponent(benchmarkId)}`, query);
}

/** The hash for the query editor with a query in it. */
export function queryHash({
  expression = '',
  nodes = [],
  deadlineMs,
  isRun = false,
}: Partial<QueryPlace> = {}): string {
  const params = new URLSearchParams();
  if (expression !== '') params.set('expression', expression);
  for (const node of nodes) params.append('node', node);
  if (deadlineMs !== undefined) params.set('deadlineMs', String(deadlineMs));
  if (isRun) params.set('run', '1');
  return withQuery('#/query', params.toString());
}

/** The hash for the policies, and what they decide about images in a namespace; empty: in none. */
export function policiesHash(namespace = ''): string {
  const text = namespace.trim();
  return withQuery('#/policies', text === '' ? '' : new URLSearchParams({ namespace: text }).toString());
}

/** The hash for what is not enforced. */
export function exemptionsHash(): string {
  return '#/exemptions';
}

/** The hash for the waivers. */
export function waiversHash(): string {
  return '#/waivers';
}

/** The hash for a list of denials. */
export function denialsHash(filter: Partial<DenialFilter> = {}): string {
  return withQuery('#/denials', writeDenialFilter({ ...NO_DENIAL_FILTER, ...filter }));
}

/** The hash for a denial. */
export function denialHash(denialId: string): string {
  return `#/denials/${encodeURIComponent(denialId)}`;
}

/** The hash for the list of rollouts; `withNothing`: also the workloads with nothing to do. */
export function rolloutsHash(withNothing = false): string {
  return withQuery('#/rollouts', withNothing ? 'all=true' : '');
}

/** The hash for a rollout. */
export function rolloutHash(rolloutId: string): string {
  return `#/rollouts/${encodeURIComponent(rolloutId)}`;
}

/** The hash for a list of detections. */
export function detectionsHash(filter: Partial<DetectionFilter> = {}): string {
  return withQuery('#/detections', writeDetectionFilter({ ...NO_DETECTION_FILTER, ...filter }));
}

/** The hash for a detection. */
export function detectionHash(detectionId: string): string {
  return `#/detections/${encodeURIComponent(detectionId)}`;
}

/** The hash for the sinks. */
export function sinksHash(): string {
  return '#/sinks';
}

/** The hash for the dead letters of a sink, or of all. */
export function deadLettersHash(sink = ''): string {
  return withQuery('#/dead-letters', sink === '' ? '' : new URLSearchParams({ sink }).toString());
}

/** The hash for a dead letter. */
export function deadLetterHash(deadLetterId: string): string {
  return `#/dead-letters/${encodeURIComponent(deadLetterId)}`;
}

/** The one-time code of a sign-in link (`#code=…`); undefined if the hash has no code. */
export function readSignInCode(hash: string): string | undefined {
  return /^#code=([\w-]{1,256})$/.exec(hash)?.[1];
}

/** Bounds of what a link can put into the editor; those of the API. */
const MAX_EXPRESSION = 4096;
const MAX_NODES = 100;
/** Longest name of a namespace. */
const MAX_NAMESPACE = 253;
/** Longest name of a sink. */
const MAX_SINK = 64;
const MAX_DEADLINE_MS = 60_000;

function readQuery(params: URLSearchParams): QueryPlace {
  const deadlineMs = Number(params.get('deadlineMs') ?? Number.NaN);
  return {
    expression: (params.get('expression') ?? '').slice(0, MAX_EXPRESSION),
    nodes: [...new Set(params.getAll('node').filter((node) => node !== ''))].slice(0, MAX_NODES),
    deadlineMs:
      Number.isInteger(deadlineMs) && deadlineMs > 0 && deadlineMs <= MAX_DEADLINE_MS ? deadlineMs : undefined,
    isRun: params.get('run') === '1',
  };
}

/** `nodes/NODE` or `nodes/NODE/containers/CONTAINER`. */
function nodeRoute([node = '', kind, ...id]: readonly string[], params: URLSearchParams): Route {
  const nodeId = decode(node);
  if (nodeId === '') return { view: 'overview', range: readTrendRange(params) };
  if (kind === 'containers' && id.length > 0) return { view: 'container', nodeId, containerId: decode(id.join('/')) };
  return { view: 'node', nodeId: decode([node, ...(kind === undefined ? [] : [kind]), ...id].join('/')) };
}

/** `of` is `node/check/kind/subject id`; the subject's id may hold slashes. */
function placeOf(uid: string, of: string): FindingPlace | undefined {
  if (uid === '') return undefined;
  const [, node, check, subjectKind, subjectId] = /^([^/]+)\/([^/]+)\/([^/]+)\/(.+)$/s.exec(of) ?? [];
  if (node === undefined || check === undefined || subjectKind === undefined || subjectId === undefined)
    return { uid, identity: undefined };
  return { uid, identity: { nodeId: decode(node), check, subjectKind, subjectId } };
}

function withQuery(path: string, query: string): string {
  return query === '' ? path : `${path}?${query}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
