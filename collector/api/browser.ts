import type { IncomingHttpHeaders } from 'node:http';

/** Of every answer that is no page: nothing in it is for a browser to run, frame or keep. */
export const SECURITY_HEADERS = Object.freeze({
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
});

/**
 * Does a page of another site ask? Browsers say so (W3C Fetch Metadata, 2.1) and pages cannot change it. Nobody who is
 * no browser sends it. Such a page could not read an answer anyway, but there is no reason to work for it.
 */
export function isFromOtherSite({ 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return site === 'cross-site' || site === 'same-site';
}
