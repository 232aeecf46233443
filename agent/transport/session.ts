import type { CollectorMessage, Inventory, Welcome } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { scopedClock } from '../../service/scoped-clock.ts';
import type { Usage } from '../budget/usage.ts';
import { startHeartbeat } from './heartbeat.ts';
import type { ImageRecord } from '../image/image-record.ts';
import { startImageSender } from './image-sender.ts';
import type { ImageSender } from './image-sender.ts';
import { startInventory } from './inventory-sender.ts';
import type { DeltaPublisher } from './delta-publisher.ts';
import { createQueryHandler } from './query-handler.ts';
import type { QueryHandler } from './query-handler.ts';
import type { QueryAnswerer } from './query-answerer.ts';
import { createSender } from './sender.ts';
import type { Sender } from './sender.ts';
import type { Spool } from './spool.ts';
import type { SessionStream } from './stream.ts';
import { createNotifier } from '../../service/notifier.ts';

/** What sessions of one agent work with. */
export interface SessionOptions {
  readonly spool: Spool;
  readonly publisher: DeltaPublisher;
  readonly answerer: QueryAnswerer;
  readonly inventory: () => Inventory;
  /** The images in use; the same list for as long as nothing changed. Default: no inventories are taken. */
  readonly images?: () => readonly ImageRecord[];
  readonly usage: () => Usage;
  readonly agentVersion: string;
  readonly nodeName: string;
  /** Names this run of the process. */
  readonly instance: string;
  /** Where the collector names no interval. */
  readonly heartbeatIntervalMs: number;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  readonly log: Logger;
  /** Everything that the node knows is committed. Called again each time that it comes to be so. */
  readonly onCaughtUp: () => void;
}

/** A session that is being held. */
export interface Session {
  /** Resolves when it is over. */
  readonly over: Promise<SessionOutcome>;
  /** Findings or inventory changed. */
  readonly notify: () => void;
  /** Ends it in good order. */
  readonly finish: () => void;
}

/** How a session went. */
export interface SessionOutcome {
  /** gRPC status code. */
  readonly code: number;
  readonly details: string;
  /** From Welcome to the end; undefined: there was no Welcome. */
  readonly lastedMs: number | undefined;
  /** Highest sequence that may have gone out, in this session or before. */
  readonly everSent: number;
}

/** What is there once the collector has welcomed us. */
interface ActiveSession {
  readonly sender: Sender;
  readonly queries: QueryHandler;
  readonly beat: () => void;
  readonly inventoryChanged: () => void;
  /** Undefined: one of both sides knows no inventories of images. */
  readonly images: ImageSender | undefined;
}

/** A collector to which a large fleet connects at once accepts a connection only after many others. */
const WELCOME_DEADLINE_MS = 30_000;
/** Deadline of the collector to end the session after this side has ended. */
const FINISH_DEADLINE_MS = 2000;
const [MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS] = [1000, 10 * 60_000];
const MAX_DRAIN_MS = 10 * 60_000;

/** What happened before a session. */
export interface SessionPast {
  /** Highest sequence of this epoch that may have gone out. */
  readonly everSent: number;
  /** The collector refused what we said: what waits is not to be said again, everything is. */
  readonly refused: boolean;
}

/** Says Hello and holds the session until it ends; never rejects. */
export function holdSession(stream: SessionStream, past: SessionPast, options: SessionOptions): Session {
  const clock = scopedClock(options.clock);
  const notifier = createNotifier();
  let active: ActiveSession | undefined;
  let welcomedMs: number | undefined;

  const finish = (): void => {
    if (active === undefined) return stream.cancel('ended by this node');
    stream.finish();
    clock.after(FINISH_DEADLINE_MS, () => stream.cancel('ended by this node'));
  };
  const drain = (spreadMs: number, reason: string): void => {
    const delayMs = Math.floor(options.random() * Math.min(spreadMs, MAX_DRAIN_MS));
    options.log.info({ delayMs, reason: reason.slice(0, 200) }, 'the collector asks to connect anew');
    clock.after(delayMs, finish);
  };
  const onMessage = (message: CollectorMessage): void => {
    if (active !== undefined) return handle(message, active, { drain, onCaughtUp: options.onCaughtUp });
    if (!message.welcome) return stream.cancel('the collector did not answer Hello with Welcome');
    welcomedMs = clock.monotonic();
    const sender = startSender(message.welcome, { stream, past, notifier, clock, options });
    active = activate(message.welcome, { stream, sender, clock, options });
    if (sender.status().caughtUp) options.onCaughtUp();
  };
  stream.onMessage(onMessage);
  sayHello(stream, past, options);
  clock.after(WELCOME_DEADLINE_MS, () => {
    if (active === undefined) stream.cancel(`no Welcome within ${String(WELCOME_DEADLINE_MS)} ms`);
  });

  const outcome = async (): Promise<SessionOutcome> => {
    const { code, details } = await stream.ended;
    const lastedMs = welcomedMs === undefined ? undefined : clock.monotonic() - welcomedMs;
    active?.queries.close();
    clock.close();
    notifier.notify();
    return { code, details, lastedMs, everSent: Math.max(past.everSent, active?.sender.status().sent ?? 0) };
  };
  return {
    over: outcome(),
    notify: () => {
      notifier.notify();
      active?.inventoryChanged();
      active?.images?.notify();
    },
    finish,
  };
}

function sayHello(stream: SessionStream, past: SessionPast, options: SessionOptions): void {
  const { spool, agentVersion, nodeName, instance, images } = options;
  const { epoch, acked: ackedSequence } = spool.status();
  const capabilities = ['query', ...(images === undefined ? [] : ['images'])];
  const hello = { agentVersion, nodeName, capabilities, epoch, ackedSequence, instance };
  void stream.send({ hello: { ...hello, sentSequence: past.everSent } });
}

interface SenderParts {
  readonly stream: SessionStream;
  readonly past: SessionPast;
  readonly notifier: ReturnType<typeof createNotifier>;
  readonly clock: Clock;
  readonly options: SessionOptions;
}

function startSender(welcome: Welcome, { stream, past, notifier, clock, options }: SenderParts): Sender {
  const { spool, publisher, log } = options;
  const committed = welcome.committedSequence ?? 0;
  // Sequences that we never sent: they are of this epoch, but of a life of the spool that the disk forgot.
  if (committed > past.everSent) spool.skipTo(committed);
  else spool.ack(committed);
  const sender = createSender({ stream, spool, publisher, clock, notifier, committed });
  if (welcome.resync === true) sender.onResync('the collector asked for it at the beginning');
  if (past.refused) sender.onResync('the collector refused a delta');
  log.info({ committed, resync: welcome.resync === true }, 'connected to the collector');
  void sender.run();
  return sender;
}

interface ActiveSessionParts {
  readonly stream: SessionStream;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly options: SessionOptions;
}

function activate(welcome: Welcome, { stream, sender, clock, options }: ActiveSessionParts): ActiveSession {
  const { spool, publisher, answerer, inventory, images, usage, heartbeatIntervalMs, log } = options;
  const takesImages = welcome.images === true && images !== undefined;
  const wanted = welcome.heartbeatIntervalMs || heartbeatIntervalMs;
  const intervalMs = Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, wanted));
  return {
    sender,
    queries: createQueryHandler({ answerer, send: stream.send, clock, log }),
    beat: startHeartbeat({ stream, spool, publisher, sender, clock, intervalMs, usage }),
    inventoryChanged: startInventory(stream, inventory, clock),
    images: takesImages ? startImageSender(stream, images, clock) : undefined,
  };
}

interface Reactions {
  readonly drain: (spreadMs: number, reason: string) => void;
  readonly onCaughtUp: () => void;
}

function handle(message: CollectorMessage, session: ActiveSession, reactions: Reactions): void {
  const { sender, queries, images, beat } = session;
  if (message.ack) {
    const before = sender.status().caughtUp;
    sender.onAck(message.ack.sequence ?? 0);
    if (before || !sender.status().caughtUp) return;
    // At once, so that a difference shows now and not only with the next regular one.
    beat();
    reactions.onCaughtUp();
  } else if (message.resync) {
    sender.onResync(message.resync.reason ?? '');
    images?.sendAgain();
  } else if (message.inventoryRequest) images?.onRequest(message.inventoryRequest);
  else if (message.query) queries.ask(message.query);
  else if (message.cancel) queries.cancel(message.cancel.queryId ?? '');
  else if (message.drain) reactions.drain(message.drain.spreadMs ?? 0, message.drain.reason ?? '');
  // What else a newer collector may say is not for us.
}
