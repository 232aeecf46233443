/**
 * AdmissionReview, `admission.k8s.io/v1`: what the API server sends to a webhook and gets back.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
import * as s from '../posture/schema.ts';
import type { Infer, Parsed } from '../posture/schema.ts';

const API_VERSION = 'admission.k8s.io/v1';
const word = s.withDefault(s.string('', 512), '');

const request = s.object({
  uid: s.string('', 256),
  kind: s.object({ group: word, version: word, kind: s.string('', 512) }),
  resource: s.object({ group: word, version: word, resource: s.string('', 512) }),
  subResource: word,
  name: word,
  namespace: word,
  operation: s.oneOf(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
  userInfo: s.object({ username: word, groups: s.withDefault(s.list(s.string('', 512), '', 10_000), []) }),
  object: s.unknown(),
  oldObject: s.unknown(),
  dryRun: s.withDefault(s.boolean(), false),
});

const review = s.object({ apiVersion: s.oneOf([API_VERSION]), kind: s.oneOf(['AdmissionReview']), request });

/** The request of a review. `object` and `oldObject` are not parsed. */
export type AdmissionRequest = Infer<typeof request>;

/** The response of a review. */
export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  readonly patchType?: 'JSONPatch';
  /** In base64. */
  readonly patch?: string;
}

/** The request of a JSON document, or what is wrong with it. Never throws; quotes nothing. */
export function parseReview(text: string): Parsed<AdmissionRequest> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problem: 'the body is not JSON' };
  }
  const parsed = review.parse(value);
  return parsed.ok
    ? { ok: true, value: parsed.value.request }
    : { ok: false, problem: parsed.problem.replace(/^\./, '') };
}

/** The JSON document of a response. */
export function reviewOf(response: AdmissionResponse): string {
  return JSON.stringify({ apiVersion: API_VERSION, kind: 'AdmissionReview', response });
}
