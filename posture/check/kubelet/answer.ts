import type { KubeletFact } from '../../fact/kubelet.ts';
import type { Evidence } from '../../verdict.ts';

/** What a request without credentials got from the API of the kubelet. */
export interface AnonymousAnswer {
  /**
   * - `refused`: no request without credentials is let in.
   * - `unauthorized`: it is accepted as the user system:anonymous, who may not do this.
   * - `accepted`: it is let in.
   */
  readonly kind: 'refused' | 'unauthorized' | 'accepted';
  readonly evidence: Evidence;
}

/**
 * The answer of the API port; undefined where none is known: 401 without authentication, 403 where authorization fails,
 * success where both let the request in. Any other status says nothing: a kubelet answers 404 before it authenticates.
 */
export function anonymousAnswer({ api }: KubeletFact): AnonymousAnswer | undefined {
  if (api.state !== 'seen' || api.value.protocol === 'other') return undefined;
  const { answer, clientCertificate } = api.value;
  const evidence = { source: api.source, seen: `${answer} without credentials`, expected: 'HTTP 401' };
  const status = /^HTTP (\d{3})\b/.exec(answer)?.[1];
  if (status === undefined) return clientCertificate === 'required' ? { kind: 'refused', evidence } : undefined;
  if (status === '401') return { kind: 'refused', evidence };
  if (status === '403') return { kind: 'unauthorized', evidence };
  return status.startsWith('2') ? { kind: 'accepted', evidence } : undefined;
}
