import { safeJson } from '../../api/safe.ts';
import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import type { HttpResponse } from '../../service/https-request.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { toAsff } from '../event/view/asff.ts';
import type { AsffAccount, AsffFinding } from '../event/view/asff.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import { awsFailure } from './aws-failure.ts';
import { signRequest } from './aws-signature.ts';
import type { AwsCredentials } from './aws-signature.ts';
import { failureOf, openHttpClient, parseAnswer, retry } from './http-client.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** What the sink needs. */
export interface SecurityHubOptions extends AsffAccount {
  readonly name: string;
  readonly clock: Clock;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
  /** `https://securityhub.REGION.amazonaws.com`. */
  readonly endpoint: string;
  /** File with authorities in PEM; `system`: those that this machine trusts. */
  readonly caFile: string;
  /** Read for each call. Rejects with RangeError. */
  readonly credentials: () => Promise<AwsCredentials>;
  /** Within which an answer must be complete; absent: 30 s. */
  readonly deadlineMs?: number;
}

/** Findings of one call of BatchImportFindings. One has at most 240 KB, and those of ours have less than 32 KB. */
const MAX_FINDINGS = 100;
/** Errors of single findings that are not about what is in them. */
const TEMPORARY = /Internal|Throttl|TooMany|Limit|Concurrent|Unavailable|Timeout/i;
/** Codes with a status about the content that are about the caller. */
const ABOUT_CALLER = /Token|Signature|Credential|Access|Throttl|Limit|Skew|Region/i;

const answer = s.object({
  FailedCount: s.integer('', 0, MAX_FINDINGS),
  SuccessCount: s.integer('', 0, MAX_FINDINGS),
  FailedFindings: s.withDefault(
    s.list(s.object({ Id: s.string('', 512), ErrorCode: s.string('', 256) }), '', MAX_FINDINGS),
    [],
  ),
});

/** A finding with the uid of its last event. */
interface Import {
  readonly uid: string;
  readonly finding: AsffFinding;
}

/**
 * Imports findings into AWS Security Hub: https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html.
 * Security Hub keeps the state of a finding, not its history: of several events of a finding in one batch the last is sent.
 * Events that are no findings count as delivered.
 */
export function createSecurityHubSink(options: SecurityHubOptions): Sink {
  const { name, clock, render, region } = options;
  const client = openHttpClient(options.caFile, options.deadlineMs);
  const url = `${options.endpoint.replace(/\/$/, '')}/findings/import`;
  const importFindings = async (imports: readonly Import[]): Promise<SinkOutcome> => {
    const body = safeJson({ Findings: imports.map(({ finding }) => finding) });
    const request = { url, method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const nowMs = clock.now();
    const credentials = await options.credentials();
    const headers = signRequest(request, { service: 'securityhub', region, credentials, nowMs });
    const response = await client.send({ ...request, headers });
    return response.status === 200 ? judge(response, imports) : failureOfCall(response, nowMs);
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    const imports = toImports(batch, await render(batch), options);
    const rejected: Extract<SinkOutcome, { readonly outcome: 'reject' }>[] = [];
    for (let from = 0; from < imports.length; from += MAX_FINDINGS) {
      const outcome = await importFindings(imports.slice(from, from + MAX_FINDINGS));
      // What was imported is imported again, which changes nothing.
      if (outcome.outcome !== 'ok' && outcome.outcome !== 'reject') return outcome;
      if (outcome.outcome === 'reject') rejected.push(outcome);
    }
    const [first] = rejected;
    if (first === undefined) return { outcome: 'ok' };
    return { outcome: 'reject', uids: rejected.flatMap(({ uids }) => uids), reason: first.reason };
  };
  return { name, send: (batch) => client.attempt(() => send(batch)), close: client.close };
}

function toImports(batch: readonly StoredEvent[], events: readonly OcsfEvent[], to: AsffAccount): readonly Import[] {
  const latest = new Map<string, Import>();
  for (const [index, { uid }] of batch.entries()) {
    const finding = toAsff(events[index] ?? {}, to);
    if (finding === undefined) continue;
    // At the place of the last event: an older one must not overtake.
    latest.delete(finding.Id);
    latest.set(finding.Id, { uid, finding });
  }
  return [...latest.values()];
}

/** Each finding that failed has a code. If one can be tried again, all are. */
function judge({ body }: HttpResponse, imports: readonly Import[]): SinkOutcome {
  const parsed = answer.parse(parseAnswer(body));
  if (!parsed.ok) return retry('HTTP 200, but the answer is not that of Security Hub');
  const { FailedCount: failed, SuccessCount: imported, FailedFindings: list } = parsed.value;
  const uids = new Map(imports.map(({ uid, finding }) => [finding.Id, uid]));
  const known = new Set(list.map(({ Id: id }) => id).filter((id) => uids.has(id)));
  if (failed + imported !== imports.length || known.size !== failed)
    return retry('the answer does not say of each finding whether it was imported');
  const [first] = list;
  if (first === undefined) return { outcome: 'ok' };
  const again = list.find(({ ErrorCode: code }) => TEMPORARY.test(code));
  if (again !== undefined) return retry(`a finding was answered with ${codeOf(again.ErrorCode)}`);
  return {
    outcome: 'reject',
    uids: [...known].map((id) => uids.get(id) ?? ''),
    reason: `findings were answered with ${codeOf(first.ErrorCode)}`,
  };
}

function codeOf(code: string): string {
  return /^[A-Za-z.]{1,64}$/.test(code) ? code : 'an error without a code';
}

/** A call that is refused for its content is halved, until the finding that it is about is a dead letter. */
function failureOfCall(response: HttpResponse, nowMs: number): SinkOutcome {
  const failure = awsFailure(response, nowMs);
  const { outcome } = failureOf(response, nowMs);
  return outcome === 'split' && !ABOUT_CALLER.test(failure.reason)
    ? { outcome: 'split', reason: failure.reason }
    : failure;
}
