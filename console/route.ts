import { readCheckFilter, writeCheckFilter } from './check/check-filter.ts';
import type { CheckFilter } from './check/check-filter.ts';
import { NO_FILTER, readFilter, writeFilter } from './filter.ts';
import type { FindingFilter } from './filter.ts';

/** Where the page is: what stands behind `#` in the address. */
export type Route =
  | { readonly view: 'overview' }
  | { readonly view: 'node'; readonly nodeId: string }
  /** `open`: the finding whose details are open beside the list. */
  | { readonly view: 'findings'; readonly filter: FindingFilter; readonly open: FindingPlace | undefined }
  | { readonly view: 'checks'; readonly filter: CheckFilter }
  | { readonly view: 'check'; readonly checkId: string }
  /** `expression`: what stands in the editor at first. */
  | { readonly view: 'query'; readonly expression: string }
  | { readonly view: 'unknown'; readonly path: string };

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
      return { view: 'overview' };
    case 'nodes':
      return name === '' ? { view: 'overview' } : { view: 'node', nodeId: name };
    case 'findings':
      return { view: 'findings', filter: readFilter(params), open: placeOf(name, params.get('of') ?? '') };
    case 'checks':
      return name === '' ? { view: 'checks', filter: readCheckFilter(params) } : { view: 'check', checkId: name };
    case 'query':
      return { view: 'query', expression: params.get('expression') ?? '' };
    default:
      return { view: 'unknown', path };
  }
}

/** The hash for a node. */
export function nodeHash(nodeId: string): string {
  return `#/nodes/${encodeURIComponent(nodeId)}`;
}

/** The hash for a list of findings. */
export function findingsHash(filter: Partial<FindingFilter> = {}): string {
  return withQuery('#/findings', writeFilter({ ...NO_FILTER, ...filter }));
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

/** The hash for the query editor with an expression in it. */
export function queryHash(expression = ''): string {
  return withQuery('#/query', expression === '' ? '' : new URLSearchParams({ expression }).toString());
}

/** The one-time code of a sign-in link (`#code=…`); undefined if the hash is none. */
export function readSignInCode(hash: string): string | undefined {
  return /^#code=([\w-]{1,256})$/.exec(hash)?.[1];
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
