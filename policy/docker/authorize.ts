import type { Decision } from '../decide.ts';
import type { Mode } from '../rule/judging.ts';
import { parseReference } from '../reference.ts';
import { parseStrictJson } from '../strict-json.ts';
import { parseApiRequest } from './api-request.ts';
import type { ApiRequest } from './api-request.ts';
import { selectContainerPolicy } from './container-policy.ts';
import type { ContainerPolicy } from './container-policy.ts';
import { isImport, judgeContent } from './content-rules.ts';
import { isObject } from './json-fields.ts';
import type { JsonObject } from './json-fields.ts';
import type { ImageUse } from './mount-rules.ts';
import { routesOf } from './routes.ts';
import type { Content, Route } from './routes.ts';
import { quote } from './violation.ts';
import type { Violation } from './violation.ts';

/** A request to dockerd, as dockerd shows it to its authorization plugins. */
export interface AuthorizationRequest {
  /** Common name of the TLS client certificate; undefined on the unix socket. */
  readonly client: string | undefined;
  readonly method: string;
  /** The target of the request line. */
  readonly target: string;
  /** One value for each name; of several, dockerd passes the last. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body, where dockerd passes it: of type application/json, and not of a length beyond its limit. */
  readonly body: Uint8Array | undefined;
}

/** What is decided with. */
export interface AuthorizationRules {
  readonly policies: readonly ContainerPolicy[];
  /** Decides on an image by the image policies; undefined: no policy snapshot is configured. */
  readonly judgeImage: ((reference: string) => Decision) | undefined;
  /** Whether the host of dockerd has cgroup v2 alone: dockerd then gives each container a cgroup namespace of its own. */
  readonly isCgroupV2: boolean;
}

/** The answer to a request. */
export interface Authorization {
  /** Whether dockerd performs the request. */
  readonly isAllowed: boolean;
  /** Everything that is not allowed. Not empty although the request is let through where the mode is not `enforce`. */
  readonly violations: readonly Violation[];
  /** Name of the policy that decided; empty: none applies. */
  readonly policy: string;
  readonly mode: Mode;
  /** The route; `METHOD ?` where none is known. For logs: holds nothing that the client chose. */
  readonly operation: string;
  readonly isRead: boolean;
}

/** dockerd passes up to 4 MiB. Requests that are judged have some KiB; a seccomp profile may be among them. */
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_ENTRIES = 4096;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);

/**
 * Decides whether dockerd performs a request. Pure. What is not understood is refused: a target, route, field or body
 * that this version does not know. Never throws.
 */
export function authorize(request: AuthorizationRequest, rules: AuthorizationRules): Authorization {
  const policy = selectContainerPolicy(rules.policies, request.client);
  const parsed = parseApiRequest(request.method, request.target);
  const routes = parsed.ok ? routesOf(parsed.value) : [];
  const isRead = routes.length > 0 && routes.every((route) => route.isRead);
  const answer = (violations: readonly Violation[]): Authorization => ({
    isAllowed: violations.length === 0 || (policy !== undefined && policy.mode !== 'enforce'),
    violations,
    policy: policy?.name ?? '',
    mode: policy?.mode ?? 'enforce',
    operation: routes[0]?.name ?? `${METHODS.has(request.method) ? request.method : '?'} ?`,
    isRead,
  });
  if (!parsed.ok)
    return answer([{ field: '', actual: parsed.reason, action: 'Send the request as the Docker client does.' }]);
  if (policy === undefined)
    return answer([
      { field: '', actual: 'a client that no policy is for', action: 'Add a ContainerPolicy that matches the client.' },
    ]);
  if (routes.length === 0) return answer([UNKNOWN_ROUTE]);
  return answer(routes.flatMap((route) => judgeRoute(route, { request, parsed: parsed.value, policy, rules })));
}

const UNKNOWN_ROUTE: Violation = {
  field: '',
  actual: 'a call that this version of Plimsoll does not know',
  action: 'Update Plimsoll, or use another call.',
};

interface RouteInput {
  readonly request: AuthorizationRequest;
  readonly parsed: ApiRequest;
  readonly policy: ContainerPolicy;
  readonly rules: AuthorizationRules;
}

function judgeRoute(route: Route, input: RouteInput): readonly Violation[] {
  const {
    policy,
    parsed,
    rules: { isCgroupV2 },
  } = input;
  const operation = route.judges === 'pull' && isImport(parsed) ? 'import' : route.operation;
  // The body of an import is an archive, which dockerd does not show.
  const judges = operation === 'import' ? undefined : route.judges;
  const refused: readonly Violation[] =
    operation === undefined || policy.operations.includes(operation)
      ? []
      : [
          {
            field: '',
            actual: `the operation "${operation}"`,
            action: `Ask for "${operation}" to be added to spec.operations.`,
          },
        ];
  if (judges === undefined) return refused;
  const body = readBody(judges, input.request);
  if (!body.ok) return [...refused, body.violation];
  const images: ImageUse[] = [];
  const violations = judgeContent(judges, { request: parsed, body: body.value, policy, images, isCgroupV2 });
  return [...refused, ...violations, ...images.flatMap((image) => judgeImageUse(image, judges, input))];
}

type ReadBody =
  { readonly ok: true; readonly value: JsonObject | undefined } | { readonly ok: false; readonly violation: Violation };

function readBody(judges: Content, { body, headers }: AuthorizationRequest): ReadBody {
  const refused = (actual: string, action: string): ReadBody => ({
    ok: false,
    violation: { field: 'body', actual, action },
  });
  if (body === undefined || body.length === 0) {
    // Go reads a body of another type as a form, which counts before the query; and before CVE-2024-41110 and
    // CVE-2026-34040 were fixed, dockerd kept some bodies from plugins.
    const mayHaveBody = header(headers, 'content-length') !== '0' && header(headers, 'content-type') !== undefined;
    return mayHaveBody || hasLength(headers)
      ? refused(
          'a body that dockerd does not show to its authorization plugin',
          'Send no body (Content-Length: 0), or one of the type application/json and of less than 1 MiB.',
        )
      : { ok: true, value: undefined };
  }
  if (judges === 'pull') return refused('a body', 'Send the request without a body (Content-Length: 0).');
  if (body.length > MAX_BODY_BYTES) return refused('more than 1 MiB', 'Send a shorter body.');
  const json = parseStrictJson(body);
  if (!json.ok) return refused(json.problem, 'Send valid JSON in which each key occurs once.');
  if (!isSmall(json.value)) return refused('a list or object with more than 4,096 entries', 'Send a smaller request.');
  if (json.value === null) return { ok: true, value: undefined };
  return isObject(json.value) ? { ok: true, value: json.value } : refused('no JSON object', 'Send a JSON object.');
}

/** Lists are compared with lists of the policy: their lengths bound the time. The depth is bounded by the parser. */
function isSmall(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const items = Object.values(value);
  return items.length <= MAX_ENTRIES && items.every(isSmall);
}

function hasLength(headers: Readonly<Record<string, string>>): boolean {
  const length = header(headers, 'content-length');
  return length !== undefined && length !== '0';
}

function header(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
}

function judgeImageUse({ field, reference }: ImageUse, judges: Content, input: RouteInput): readonly Violation[] {
  const { policy, rules } = input;
  if (rules.judgeImage === undefined || !policy.images.judge) return [];
  const decision = rules.judgeImage(reference);
  // What is pulled does not run yet: that an image is not known is no reason against it.
  if (judges === 'pull' && decision.outcome === 'couldNotTell') return [];
  const parsed = parseReference(reference);
  const hasDigest = parsed.ok && parsed.value.digest !== undefined;
  if (decision.outcome !== 'deny' && !hasDigest)
    return policy.images.withoutDigest === 'allow'
      ? []
      : [
          {
            field,
            actual: `the image ${quote(reference)} without a digest: what this host has under that name is not known`,
            action: 'Name the image by its digest: NAME@sha256:….',
          },
        ];
  return decision.outcome === 'allow'
    ? []
    : decision.reasons.map(({ actual, expected, action, policy: name }) => ({
        field,
        actual: `the image ${quote(reference)}: ${actual}; image policy ${quote(name)} expects ${expected}`,
        action,
      }));
}
