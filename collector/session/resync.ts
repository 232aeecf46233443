/** Whether all findings of a node were requested. Deltas that arrive before them are ignored. */
export interface Resync {
  readonly isPending: () => boolean;
  /** Requests all findings. */
  readonly request: (reason: string) => void;
  /** The snapshot arrived. */
  readonly received: () => void;
  /** Counts a Heartbeat; after three without a snapshot it is requested again. */
  readonly heartbeat: () => void;
}

/** Heartbeats without a snapshot after which a node is asked again. */
const MAX_HEARTBEATS = 3;

/** `isRequested`: by the Welcome. `send` sends the request. */
export function createResync(isRequested: boolean, send: (reason: string) => void): Resync {
  let pending = isRequested;
  let heartbeats = 0;
  const request = (reason: string): void => {
    pending = true;
    heartbeats = 0;
    send(reason);
  };
  return {
    isPending: () => pending,
    request,
    received: () => {
      pending = false;
    },
    heartbeat: () => {
      heartbeats += 1;
      if (pending && heartbeats >= MAX_HEARTBEATS) request('all findings were asked for and did not come');
    },
  };
}
