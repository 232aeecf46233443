import type { HttpResponse } from '../../service/https-request.ts';
import { failureOf, retry } from './http-client.ts';

/** Why something was not accepted, and when it is tried again. */
export type AwsFailure = ReturnType<typeof retry>;

/** Codes of a request that went to the wrong region. */
const WRONG_REGION: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'PermanentRedirect',
  'TemporaryRedirect',
]);
/** The code of the error is near the start of an answer. */
const MAX_CODE_PLACE = 4096;

/**
 * The outcome of an answer of AWS that is no success: `HTTP 503 SlowDown`. Always tried again, as it is about the request
 * or the account and never about single events. `nowMs`: when the request was signed.
 */
export function awsFailure(response: HttpResponse, nowMs: number): AwsFailure {
  const { status, headers } = response;
  const code = codeOf(response);
  const reason = `HTTP ${String(status)}${code === '' ? '' : ` ${code}`}${hintOf(code, headers, nowMs)}`;
  const failure = failureOf(response, nowMs);
  return failure.outcome === 'retry' ? { ...failure, reason } : retry(reason);
}

/** In XML, in JSON or in a header, by the service. */
function codeOf({ body, headers }: HttpResponse): string {
  const text = body.subarray(0, MAX_CODE_PLACE).toString('latin1');
  const header = headers['x-amzn-errortype'] ?? '';
  const [, code] =
    /<Code>([A-Za-z.]{1,64})<\/Code>/.exec(text) ??
    /^([A-Za-z.]{1,64})/.exec(header) ??
    /"(?:__type|code|Code)"\s*:\s*"(?:[\w.]{1,64}#)?([A-Za-z.]{1,64})"/.exec(text) ??
    [];
  return code ?? '';
}

function hintOf(code: string, headers: HttpResponse['headers'], nowMs: number): string {
  if (code === 'RequestTimeTooSkewed') {
    const differenceMs = Date.parse(headers['date'] ?? '') - nowMs;
    if (Number.isNaN(differenceMs)) return '';
    const minutes = String(Math.round(Math.abs(differenceMs) / 60_000));
    return `: the clock of the receiver is ${minutes} minutes ${differenceMs > 0 ? 'ahead of' : 'behind'} that of the collector`;
  }
  const region = headers['x-amz-bucket-region'] ?? '';
  return WRONG_REGION.has(code) && /^[a-z0-9-]{1,32}$/.test(region) ? `: the bucket is in the region ${region}` : '';
}
