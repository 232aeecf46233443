import { createHmac } from 'node:crypto';
import { readBoundedText } from '../image/policy/bounded-text.ts';
import type { PlanEntry } from '../policy/rollout/plan.ts';
import type { Workload } from '../policy/rollout/workload.ts';
import { fullJitter } from '../service/backoff.ts';
import type { Clock } from '../service/clock.ts';
import { errorCode } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import { sendRequest } from '../service/https-request.ts';
import { templateOf } from './patch-workload.ts';

/** Calls webhooks until they answer. */
export interface WebhookCaller {
  /** Calls the webhook of an entry unless it waits after a failure. Resolves to true once it has answered 2xx. */
  readonly call: (entry: PlanEntry, workload: Workload) => Promise<boolean>;
}

/** What calls need. */
export interface WebhookOptions {
  /** File with the key of the signature; `none`: calls are not signed, so none is made in the format `signed`. */
  readonly keyFile: string;
  /** File with the token for `repositoryDispatch`; `none`. */
  readonly tokenFile: string;
  /** File with authorities in PEM; `system`: those that Node trusts. */
  readonly caFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const BACKOFF = Object.freeze({ baseMs: 2_000, capMs: 300_000 });
const DEADLINE_MS = 15_000;
const MAX_RESPONSE_BYTES = 64 * 1024;
const MAX_FILE_BYTES = 64 * 1024;
/** Entries whose failures are remembered. */
const MAX_WAITING = 1000;

/**
 * A caller without failures. Every call of one entry has the same `Idempotency-Key`, also after a restart: a call whose
 * answer was lost is made again. `X-Plimsoll-Signature` is `sha256=` and the HMAC-SHA256, hexadecimal, of
 * `X-Plimsoll-Timestamp`, a dot and the body.
 */
export function createWebhookCaller(options: WebhookOptions): WebhookCaller {
  const { clock, log, signal } = options;
  const waiting = new Map<string, { readonly failures: number; readonly untilMs: number }>();
  const send = async (entry: PlanEntry, workload: Workload): Promise<string> => {
    const { id, webhook } = entry;
    if (webhook === undefined) return 'the policy names no webhook';
    const isDispatch = webhook.format === 'repositoryDispatch';
    const message = messageOf(entry, workload);
    const body = JSON.stringify(
      isDispatch ? { event_type: `plimsoll-${message.event}`, client_payload: message } : message,
    );
    const timestamp = String(Math.floor(clock.now() / 1000));
    const key = await readSecret(options.keyFile);
    const token = await readSecret(options.tokenFile);
    if (isDispatch && token === undefined) return 'repositoryDispatch needs the setting rollout-dispatch-token';
    if (!isDispatch && key === undefined) return 'the format signed needs the setting rollout-webhook-key';
    const ca = options.caFile === 'system' ? undefined : await readSecret(options.caFile);
    const signature = key && createHmac('sha256', key).update(`${timestamp}.${body}`).digest('hex');
    const { status } = await sendRequest({
      url: webhook.webhook,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: isDispatch ? 'application/vnd.github+json' : 'application/json',
        'user-agent': 'plimsoll',
        'idempotency-key': id,
        'x-plimsoll-timestamp': timestamp,
        ...(signature === undefined ? {} : { 'x-plimsoll-signature': `sha256=${signature}` }),
        ...(isDispatch && token !== undefined ? { authorization: `Bearer ${token}` } : {}),
      },
      body,
      ca,
      maxBytes: MAX_RESPONSE_BYTES,
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    return status >= 200 && status < 300 ? '' : `HTTP ${String(status)}`;
  };
  return {
    call: async (entry, workload) => {
      const before = waiting.get(entry.id);
      if (before !== undefined && clock.monotonic() < before.untilMs) return false;
      const reason = await send(entry, workload).catch((error: unknown) => errorCode(error));
      waiting.delete(entry.id);
      if (reason === '') return true;
      const failures = (before?.failures ?? 0) + 1;
      const waitMs = fullJitter(failures, BACKOFF, Math.random);
      waiting.set(entry.id, { failures, untilMs: clock.monotonic() + waitMs });
      const [oldest] = waiting.keys();
      if (waiting.size > MAX_WAITING && oldest !== undefined) waiting.delete(oldest);
      log.warn({ id: entry.id, reason, failures }, 'a webhook did not take a call; it is tried again');
      return false;
    },
  };
}

/** What a webhook gets. */
function messageOf({ id, policy, action, changes, reasons, note }: PlanEntry, workload: Workload) {
  const { kind, namespace, name } = workload;
  const images = new Map(changes.map(({ container, to }) => [container, to]));
  return {
    version: 1,
    id,
    event: action === 'proposePatch' ? 'patch' : 'rebuild',
    policy,
    workload: { kind, namespace, name },
    images: changes,
    reasons,
    note,
    ...(action === 'proposePatch' ? { patch: { spec: templateOf(workload, images) } } : {}),
  };
}

async function readSecret(path: string): Promise<string | undefined> {
  if (path === 'none') return undefined;
  const read = await readBoundedText(path, MAX_FILE_BYTES);
  if (!read.ok) throw Object.assign(new Error(`${path} ${read.reason}`), { code: `${path} ${read.reason}` });
  return read.text.trim();
}
