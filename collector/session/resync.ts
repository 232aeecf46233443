/** Whether a node owes all its findings. What comes before them has no place. */
export interface Resync {
  readonly isPending: () => boolean;
  /** Asks for all findings. */
  readonly request: (reason: string) => void;
  /** They came. */
  readonly received: () => void;
  /** A Heartbeat went by. A node that was asked a while ago is asked again. */
  readonly heartbeat: () => void;
}

/** Heartbeats without a snapshot after which a node is asked again. */
const PATIENCE = 3;

/** `isOwed`: the Welcome has asked already. `send` asks. */
export function createResync(isOwed: boolean, send: (reason: string) => void): Resync {
  let owed = isOwed;
  let heartbeats = 0;
  const request = (reason: string): void => {
    owed = true;
    heartbeats = 0;
    send(reason);
  };
  return {
    isPending: () => owed,
    request,
    received: () => {
      owed = false;
    },
    heartbeat: () => {
      heartbeats += 1;
      if (owed && heartbeats >= PATIENCE) request('all findings were asked for and did not come');
    },
  };
}
