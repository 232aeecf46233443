import * as s from '../../posture/schema.ts';
import type { Benchmark } from '../../posture/benchmark/benchmark.ts';
import type { Check } from '../../posture/check/check.ts';
import type { Clock } from '../../service/clock.ts';
import type { Address } from '../../service/config/kind.ts';
import type { AuditPage } from '../../api/audit.ts';
import type { AuditQuery } from '../audit/read-audit.ts';
import type { TlsKeeper } from '../tls/tls-keeper.ts';
import type { DenialIntake } from '../denial/denial-intake.ts';
import type { JoinTokens } from '../enrollment/join-tokens.ts';
import type { RunningImages } from '../image/running-images.ts';
import type { DatabaseState } from '../image/database-keeper.ts';
import type { RolloutRecords } from '../remediation/rollout-records.ts';
import type { PolicyService } from '../policy/policy-service.ts';
import type { SuppressionReview } from '../image/suppression-review.ts';
import type { QueryService } from '../query/query.ts';
import type { ActivityRecorder } from '../event/activity-recorder.ts';
import type { ExemptNamespaces } from '../kubernetes/admission-watch.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import type { ListedFindingWaiver } from '../waiver/keep-waivers.ts';
import type { VulnerabilityWaiverUse } from '../image/suppression-rules.ts';
import type { NodeRemoval } from '../session/remove-node.ts';
import type { DeadLetters } from '../sink/dead-letters.ts';
import type { SinkTest } from '../sink/sink-test.ts';
import type { SinkStatus } from '../sink/delivery-worker.ts';
import type { CollectorStatus, IssueCode } from '../status/collector-status.ts';
import type { Store } from '../store/store.ts';
import type { OperatorTokens } from '../operator-tokens.ts';
import type { Operation } from './access.ts';
import type { ApiErrorCode } from './error.ts';
import type { ControlLookup, PresenceTerms } from './present.ts';
import { describePrincipal } from './principal.ts';
import type { Principal } from './principal.ts';
import type { SignIn } from './sign-in.ts';

/** What the routes answer from. */
export interface ApiSources {
  readonly store: Store;
  /** Which containers run which image. */
  readonly running: RunningImages;
  /** The state of the vulnerability database. */
  readonly database: () => DatabaseState;
  /** The image policies; undefined: there are none. */
  readonly policies: PolicyService | undefined;
  /** Waivers of the setting `waivers`, and what they do. */
  readonly waiverUses: () => {
    readonly findings: readonly ListedFindingWaiver[];
    readonly vulnerabilities: readonly VulnerabilityWaiverUse[];
  };
  /** Waivers of vulnerabilities of the setting `waivers`. */
  readonly waivers: () => readonly VulnerabilityWaiver[];
  /** Namespaces that the admission webhook is not asked about; undefined: it is not watched. */
  readonly exemptNamespaces: () => ExemptNamespaces | undefined;
  readonly denials: Pick<DenialIntake, 'take'>;
  /** What suppresses a vulnerability in one image. */
  readonly suppressionIn: SuppressionReview['suppressionIn'];
  readonly hasExpiredWaiver: SuppressionReview['hasExpiredWaiver'];
  /** What is planned for workloads and was done; undefined: there are no image policies. */
  readonly rollouts: RolloutRecords | undefined;
  readonly queries: QueryService;
  readonly activities: Pick<ActivityRecorder, 'noteAnswers'>;
  readonly sinks: () => readonly SinkStatus[];
  /** Sends a test event to the receiver of a sink. Undefined: there is no such sink, or it is off; `busy`:
   * another test is running. */
  readonly testSink: (name: string) => Promise<SinkTest | 'busy' | undefined>;
  readonly deadLetters: DeadLetters;
  /** Codes of the issues for which the collector is not ready; empty: it is. */
  readonly unreadiness: () => readonly IssueCode[];
  /** How the collector is doing. Never rejects. */
  readonly status: () => Promise<CollectorStatus>;
  /** Removes the node with this id; `by`: who wants it, for the log. */
  readonly removeNode: (nodeId: string, by: string) => Promise<NodeRemoval>;
  readonly admission: AdmissionSource;
  /** Those of Plimsoll and custom ones, by id. */
  readonly checks: readonly Check[];
  readonly benchmarks: readonly Benchmark[];
  /** Checks that the profile excludes, with the reason. */
  readonly excluded: ReadonlyMap<string, string>;
  /** The benchmark controls that a check answers. */
  readonly controlsOf: ControlLookup;
  readonly signIn: SignIn;
  readonly readAudit: (query: AuditQuery) => Promise<AuditPage>;
  readonly operatorTokens: Pick<OperatorTokens, 'all' | 'create' | 'revoke' | 'find'>;
  readonly clock: Clock;
  /** What the presence of nodes is judged by, now. */
  readonly presenceTerms: () => PresenceTerms;
  /** Version of the collector. */
  readonly version: string;
}

/** Who may be a node of the fleet. */
export interface AdmissionSource {
  readonly tokens: Pick<JoinTokens, 'all' | 'create' | 'remove'>;
  /** The CAs that nodes trust, and their rotation. */
  readonly tls: Pick<TlsKeeper, 'authorities' | 'rotationEndsMs' | 'rotate'>;
  /** Where nodes connect and enrol; `enroll` is absent where they cannot. */
  readonly addresses: () => { readonly listen: Address; readonly enroll?: Address };
  /** Revokes every certificate of the node and ends its session; `by`: the caller, for the log. */
  readonly revoke: (nodeId: string, by: string) => Promise<void>;
  /** Lets a revoked Kubernetes node get certificates again. Resolves to false where the node is not revoked. */
  readonly readmit: (nodeId: string, by: string) => Promise<boolean>;
}

/** What a handler answers: a body, or a refusal by code. */
export type ApiResult<A> = Success<A> | Refusal;

/** A body. `principal`: who has authenticated by this call. */
export interface Success<A> {
  readonly ok: true;
  readonly body: A;
  readonly principal?: Principal;
}

/** Why there is no answer. */
export interface Refusal {
  readonly ok: false;
  readonly code: ApiErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** When it makes sense to ask again. */
  readonly retryAfterMs?: number;
}

/**
 * `T` as it goes over the wire: what a reader finds null is left out. A handler's answer is typed by it, so that a field
 * that is missing or renamed does not build.
 */
export type Sent<T> = T extends readonly (infer Item)[]
  ? readonly Sent<Item>[]
  : T extends object
    ? { readonly [K in keyof T as IsLeftOut<T[K]> extends true ? never : K]: Sent<T[K]> } & {
        readonly [K in keyof T as IsLeftOut<T[K]> extends true ? K : never]?: Sent<NonNullable<T[K]>> | undefined;
      }
    : T;

type IsLeftOut<T> = unknown extends T ? false : null extends T ? true : false;

/** What a handler gets: everything in it passed its schema. `signal` aborts when the client is gone. */
export interface RouteInput<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly signal: AbortSignal;
  /** Address of the peer. */
  readonly address: string;
  /** Who makes the request. */
  readonly principal: Principal;
}

/** Who makes a request, for log lines: `ci (4k2j9x01ab) at 127.0.0.1`. */
export function callerOf({
  principal,
  address,
}: Pick<RouteInput<unknown, unknown, unknown>, 'principal' | 'address'>): string {
  return `${describePrincipal(principal)} at ${address}`;
}

/** What the document says of a route, and what the server needs to answer it. Paths in OpenAPI form: `/v1/nodes/{node}`. */
interface RouteText {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Unique; generated clients name their functions after it, and `ACCESS` says who may use it. */
  readonly operation: Operation;
  readonly summary: string;
  readonly description: string;
  /** Codes besides those that every route can answer: `unauthorized`, `forbidden`, `tooManyRequests`, `internal`. */
  readonly refuses: readonly ApiErrorCode[];
}

/** A route that answers one JSON body. */
export interface JsonRoute extends RouteText {
  readonly kind: 'json';
  readonly params: Fields;
  readonly query: Fields;
  /** Schema of the body of a POST. */
  readonly body: s.Schema<unknown> | undefined;
  readonly answer: s.Schema<unknown>;
  /** Its time is spent waiting for nodes, not reading the store. */
  readonly asksNodes: boolean;
  readonly handle: (
    input: RouteInput<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>, unknown>,
    sources: ApiSources,
  ) => Promise<ApiResult<unknown>> | ApiResult<unknown>;
}

/** A route that answers a stream of server-sent events until one side ends it. */
export interface StreamRoute extends RouteText {
  readonly kind: 'stream';
  readonly params: Fields;
  readonly query: Fields;
  readonly body: undefined;
  /** Schema of the data of each event, by event type. */
  readonly events: Readonly<Record<string, s.Schema<unknown>>>;
}

/** A route that answers bytes as they are stored. */
export interface BytesRoute extends RouteText {
  readonly kind: 'bytes';
  readonly params: Fields;
  readonly query: Fields;
  readonly body: undefined;
  readonly mediaType: string;
  readonly handle: (input: unknown, sources: ApiSources) => Promise<ApiResult<ServedBytes>> | ApiResult<ServedBytes>;
}

/** Bytes that are answered. */
export interface ServedBytes {
  readonly bytes: Uint8Array;
  readonly gzip: () => Promise<Buffer>;
  /** Strong entity tag (RFC 9110, 8.8.3), quoted. */
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** One route of the API. */
export type Route = JsonRoute | StreamRoute | BytesRoute;

/** Fields of a request, each with its schema; any other is refused. */
export type Fields = s.Schema<Readonly<Record<string, unknown>>>;

/** A request without parameters: any that comes is refused. */
export const NO_FIELDS = s.object({});

/** Ties the types of a JSON route together; what is left out asks for nothing. */
export function jsonRoute<A, P = {}, Q = {}, B = undefined>(
  route: RouteText & {
    readonly params?: s.Schema<P>;
    readonly query?: s.Schema<Q>;
    readonly body?: s.Schema<B>;
    readonly answer: s.Schema<A>;
    readonly asksNodes?: true;
    readonly handle: (
      input: RouteInput<P, Q, B>,
      sources: ApiSources,
    ) => Promise<ApiResult<Sent<NoInfer<A>>>> | ApiResult<Sent<NoInfer<A>>>;
  },
): JsonRoute {
  return Object.freeze<JsonRoute>({
    ...route,
    kind: 'json',
    params: (route.params as Fields | undefined) ?? NO_FIELDS,
    query: (route.query as Fields | undefined) ?? NO_FIELDS,
    body: route.body,
    asksNodes: route.asksNodes ?? false,
    // The server parses with exactly these schemas first.
    handle: route.handle as JsonRoute['handle'],
  });
}

/** The body of a success. */
export function answer<A>(body: A): ApiResult<A> {
  return { ok: true, body };
}

/** A refusal. */
export function refuse(code: ApiErrorCode, message: string, hint?: string): Refusal {
  return hint === undefined ? { ok: false, code, message } : { ok: false, code, message, hint };
}
