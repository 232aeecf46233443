/**
 * The `ContainerRuntime` port: a container engine asked over its API. Answers are bytes from outside: `unknown` until
 * an inspector's schema accepts them. Every call has a deadline and a bound, and answers with a value.
 */
export interface ContainerRuntime {
  /** `unix:///var/run/docker.sock` */
  readonly endpoint: string;
  readonly info: () => Promise<Reply>;
  readonly version: () => Promise<Reply>;
  /** Containers, running or not: a list with at least `Id` each. Where they are too many, the running ones. */
  readonly listContainers: () => Promise<Reply>;
  /** The answer is handed over unparsed: of most containers it says the same as the last time. */
  readonly inspectContainer: (id: string) => Promise<TextReply>;
  readonly inspectImage: (id: string) => Promise<Reply>;
  readonly imageHistory: (id: string) => Promise<Reply>;
  readonly inspectNetwork: (name: string) => Promise<Reply>;
  /**
   * Calls `onEvent` for each event of containers and the daemon from the moment of the call, perhaps some from just
   * before it, until `signal` aborts; `onEnd` once the stream is over for another reason (the daemon stopped, the
   * connection broke).
   */
  readonly events: (
    onEvent: (event: RuntimeEvent) => void,
    onEnd: (reason: string) => void,
    signal: AbortSignal,
  ) => void;
}

/** The outcome of a call. */
export type Reply = { readonly ok: true; readonly value: unknown } | ReplyFailure;

/** The outcome of a call whose answer is handed over as it came: JSON text, as yet unread. */
export type TextReply = { readonly ok: true; readonly json: Buffer } | ReplyFailure;

/** A call that did not work. `reason` is for people. */
export interface ReplyFailure {
  readonly ok: false;
  readonly code: ReplyFailureCode;
  readonly reason: string;
}

/** Why a call did not work. Closed list. */
export type ReplyFailureCode =
  | 'absent' // no socket, or nobody listens on it
  | 'denied' // the socket is there but not for us
  | 'notFound' // HTTP 404: the container or image is gone
  | 'timeout'
  | 'tooLarge'
  | 'notRecorded'
  | 'failed';

/** One event that says that a container's state may have changed. */
export interface RuntimeEvent {
  readonly kind: 'container' | 'daemon' | 'network';
  /** `start`, `die`, `exec_start`, `update`, `reload` … */
  readonly action: string;
  /** Id of the container, network or daemon. */
  readonly id: string;
  /** Of a network event: id of the container that was connected or disconnected. */
  readonly container?: string;
}
