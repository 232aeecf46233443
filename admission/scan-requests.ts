import { request } from 'node:https';
import { readCollectorToken } from '../image/policy/collector-token.ts';
import type { SnapshotServer } from '../image/policy/snapshot-download.ts';
import { formatReference, parseReference } from '../policy/reference.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import { errorCode } from '../service/files.ts';
import type { Logger } from '../service/log.ts';

/**
 * The outcome of a request to scan an image. `asked`: the collector was asked, or will be. `full`: too many wait.
 * `off`: the collector cannot be asked, or may not scan it.
 */
export type ScanAnswer = 'asked' | 'full' | 'off';

/** Asks the collector in the background to scan images. */
export interface ScanRequests {
  /** Takes an image; never waits. */
  readonly add: (image: { readonly reference: string; readonly namespace: string }) => ScanAnswer;
  /** Resolves once the signal has aborted. */
  readonly over: Promise<void>;
}

/** What requests are made with. */
export interface ScanRequestsOptions {
  readonly server: SnapshotServer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Between two requests; default: {@link PAUSE_MS}. */
  readonly pauseMs?: number;
}

/** Of all namespaces. The collector itself lets 50 wait. */
const MAX_WAITING = 200;
/** Whoever may create pods in one namespace must not keep the others from being scanned. */
const MAX_PER_NAMESPACE = 10;
/** Images that were asked for lately: they are not asked for again. */
const MAX_KNOWN = 1_000;
const ASK_AGAIN_MS = 5 * 60_000;
const PAUSE_MS = 1_000;
const RETRY_MS = 10_000;
const DEADLINE_MS = 10_000;
const MAX_REFERENCE = 1_024;

interface Known {
  readonly answer: 'asked' | 'off';
  readonly untilMs: number;
}

/**
 * Starts to ask the collector until the signal aborts: one image after the other, the namespaces in turn. An image that
 * the collector may not scan, and every image while the token may not ask, is answered with `off` for five minutes.
 */
export function startScanRequests(options: ScanRequestsOptions): ScanRequests {
  const { clock, log, signal, pauseMs = PAUSE_MS } = options;
  const waiting = new Map<string, string[]>();
  const known = new Map<string, Known>();
  let forbiddenUntilMs = -Infinity;
  let reported = '';
  let wake = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => wake.resolve(), { once: true });
  const remember = (image: string, answer: Known['answer']): void => {
    known.delete(image);
    known.set(image, { answer, untilMs: clock.monotonic() + ASK_AGAIN_MS });
    const [oldest] = known.keys();
    if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  };
  const countWaiting = (): number => [...waiting.values()].reduce((sum, images) => sum + images.length, 0);
  /** The oldest image of the namespace whose turn it is, which then is last. */
  const takeNext = (): { readonly namespace: string; readonly image: string } | undefined => {
    const [turn] = waiting;
    if (turn === undefined) return undefined;
    const [namespace, images] = turn;
    const image = images.shift();
    waiting.delete(namespace);
    if (images.length > 0) waiting.set(namespace, images);
    return image === undefined ? undefined : { namespace, image };
  };
  const report = (reason: string): void => {
    if (reason !== '' && reason !== reported) log.warn({ reason }, 'the collector does not scan images');
    reported = reason;
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const next = takeNext();
      if (next === undefined) {
        await wake.promise;
        wake = Promise.withResolvers();
        continue;
      }
      const outcome = await askForScan(options, next.image);
      if (outcome.kind === 'retry') {
        report(outcome.reason);
        // Not put back where the namespace has been filled meanwhile: a controller tries again anyway.
        const images = waiting.get(next.namespace) ?? [];
        if (images.length < MAX_PER_NAMESPACE) waiting.set(next.namespace, [next.image, ...images]);
        await sleep(clock, Math.max(RETRY_MS, outcome.afterMs), signal);
        continue;
      }
      report(outcome.kind === 'accepted' ? '' : outcome.reason);
      if (outcome.kind === 'forbidden') forbiddenUntilMs = clock.monotonic() + ASK_AGAIN_MS;
      if (outcome.kind === 'forbidden' || outcome.kind === 'refused') remember(next.image, 'off');
      else log.info({ image: next.image }, 'the collector scans an image');
      await sleep(clock, pauseMs, signal);
    }
  };
  return {
    over: run(),
    add: ({ reference, namespace }) => {
      const nowMs = clock.monotonic();
      const parsed = reference.length > MAX_REFERENCE ? undefined : parseReference(reference);
      if (parsed?.ok !== true || parsed.value.digest === undefined || nowMs < forbiddenUntilMs) return 'off';
      const image = formatReference(parsed.value);
      const before = known.get(image);
      if (before !== undefined && nowMs < before.untilMs) return before.answer;
      const images = waiting.get(namespace) ?? [];
      if (images.length >= MAX_PER_NAMESPACE || countWaiting() >= MAX_WAITING) return 'full';
      remember(image, 'asked');
      waiting.set(namespace, [...images, image]);
      wake.resolve();
      return 'asked';
    },
  };
}

type Outcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused' | 'forbidden'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs: number };

async function askForScan({ server, signal }: ScanRequestsOptions, image: string): Promise<Outcome> {
  const token = await readCollectorToken(server.tokenFile);
  if (!token.ok) return { kind: 'retry', reason: token.reason, afterMs: 0 };
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  try {
    const { status, retryAfter } = await post(server, { token: token.token, image, signal: deadline });
    if (status === 200) return { kind: 'accepted' };
    if (status === 403)
      return { kind: 'forbidden', reason: 'HTTP 403: the token needs the role operator and the scope policy' };
    // Such as a registry that the collector may not ask.
    if (status === 400) return { kind: 'refused', reason: 'HTTP 400: the collector may not ask its registry' };
    const afterMs = Number.isFinite(retryAfter) ? Math.min(Math.max(0, retryAfter), 300) * 1000 : 0;
    return { kind: 'retry', reason: `HTTP ${String(status)}`, afterMs };
  } catch (error) {
    return { kind: 'retry', reason: deadline.aborted ? 'no answer in time' : errorCode(error), afterMs: 0 };
  }
}

interface Post {
  readonly token: string;
  readonly image: string;
  readonly signal: AbortSignal;
}

function post(
  { address, ca }: SnapshotServer,
  { token, image, signal }: Post,
): Promise<{ readonly status: number; readonly retryAfter: number }> {
  const body = JSON.stringify({ image });
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...address,
        path: '/v1/policies/scans',
        method: 'POST',
        headers,
        signal,
        agent: false,
        minVersion: 'TLSv1.2',
        ...(ca === undefined ? {} : { ca }),
      },
      (response) => {
        // What it says besides is not needed, and may be of any length.
        response.destroy();
        resolve({ status: response.statusCode ?? 0, retryAfter: Number(response.headers['retry-after'] ?? 0) });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
