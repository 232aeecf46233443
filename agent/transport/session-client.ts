import { randomUUID } from 'node:crypto';
import type { Delta, FindingSet } from '../../posture/delta.ts';
import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import type { TlsFiles } from '../../service/tls/load-tls-files.ts';
import { createDeltaPublisher } from './delta-publisher.ts';
import { holdSession } from './session.ts';
import type { Session, SessionOptions, SessionOutcome, SessionPast } from './session.ts';
import { openStream } from './stream.ts';
import type { Dialled } from './dial.ts';

/** What the link to the collector works with. */
export interface SessionClientOptions extends Omit<SessionOptions, 'publisher' | 'instance'> {
  /** The collector. */
  readonly target: Address;
  /** Read before each attempt, so that a renewed certificate is used. Rejections are logged and tried again. */
  readonly loadTls: () => Promise<TlsFiles>;
  readonly signal: AbortSignal;
}

/** The link of this node to its collector. */
export interface SessionClient {
  /**
   * The findings changed, or what the inventory is made of: keeps the change until it is committed, and sends it if
   * there is a session. Never throws.
   */
  readonly publish: (findings: FindingSet, delta: Delta, observedAtMs: number) => void;
  /** The images in use changed. */
  readonly imagesChanged: () => void;
  /** Holds sessions, one after the other, until the signal aborts. To be called after the first `publish`. */
  readonly run: () => Promise<void>;
  readonly status: () => LinkStatus;
}

/** The state of the link. */
export interface LinkStatus {
  readonly connected: boolean;
  /** Why the last session ended or could not begin; empty: there was none. */
  readonly lastFailure: string;
}

/** gRPC status code. */
const INVALID_ARGUMENT = 3;

const BACKOFF = Object.freeze({ baseMs: 250, capMs: 30_000 });
/** A session that lasted this long resets the backoff. */
const STABLE_MS = 10_000;

/** A link that is not connected yet. */
export function createSessionClient(options: SessionClientOptions): SessionClient {
  const { spool, clock, random, signal, log } = options;
  const publisher = createDeltaPublisher(spool, log);
  const report = createFailureReport(options);
  const instance = randomUUID();
  let session: Session | undefined;
  // By the process before this one. A collector that has committed more knows another life of this directory.
  let past: SessionPast = { everSent: spool.status().sent, refused: false };

  const attempt = async (): Promise<SessionOutcome | string> => {
    const dialled = await connect(options);
    if (typeof dialled === 'string') return dialled;
    const held = holdSession(openStream(dialled.call), past, { ...options, publisher, instance });
    session = held;
    const stop = (): void => held.finish();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const outcome = await held.over;
    signal.removeEventListener('abort', stop);
    session = undefined;
    dialled.close();
    past = { everSent: outcome.everSent, refused: outcome.code === INVALID_ARGUMENT && outcome.lastedMs !== undefined };
    return outcome;
  };

  return {
    publish: (findings, delta, observedAtMs) => {
      publisher.publish(findings, delta, observedAtMs);
      session?.notify();
    },
    imagesChanged: () => session?.notify(),
    run: async () => {
      for (let failures = 0; !signal.aborted; failures += 1) {
        const outcome = await attempt();
        if (signal.aborted) return;
        if (typeof outcome !== 'string' && (outcome.lastedMs ?? 0) >= STABLE_MS) failures = 0;
        report.failed(outcome);
        await sleep(clock, fullJitter(failures, BACKOFF, random), signal);
      }
    },
    status: () => ({ connected: session !== undefined, lastFailure: report.last() }),
  };
}

async function connect({ target, loadTls }: SessionClientOptions): Promise<Dialled | string> {
  try {
    const tls = await loadTls();
    // Loaded here: only a process that dials pays for it.
    const { dial } = await import('./dial.ts');
    return dial(target, tls);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Logs failures: the first of each kind as a warning, repetitions at level debug. */
function createFailureReport({ target, log }: SessionClientOptions) {
  let last = '';
  return {
    failed: (outcome: SessionOutcome | string): void => {
      const reason = typeof outcome === 'string' ? outcome : outcome.details.slice(0, 500);
      const welcomed = typeof outcome !== 'string' && outcome.lastedMs !== undefined;
      const fields = {
        collector: formatAddress(target),
        reason,
        ...(typeof outcome === 'string' ? {} : { code: outcome.code }),
      };
      if (welcomed && outcome.code === 0) log.info(fields, 'session ended in good order');
      else if (welcomed) log.warn(fields, 'session broke off');
      else if (reason !== last) log.warn(fields, 'collector could not be reached');
      else log.debug(fields, 'collector could not be reached');
      last = reason;
    },
    last: (): string => last,
  };
}
