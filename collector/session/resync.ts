/** Whether a node owes all its findings. What comes before them has no place. */
export interface Resync {
  readonly isOwed: () => boolean;
  /** Asks for all findings. */
  readonly ask: (reason: string) => void;
  /** They came. */
  readonly paid: () => void;
  /** A Heartbeat went by. A node that was asked a while ago is asked again. */
  readonly heartbeat: () => void;
}

/** Heartbeats without a snapshot after which a node is asked again. */
const PATIENCE = 3;

/** `isOwed`: the Welcome has asked already. `send` asks. */
export function createResync(isOwed: boolean, send: (reason: string) => void): Resync {
  let owed = isOwed;
  let heartbeats = 0;
  const ask = (reason: string): void => {
    owed = true;
    heartbeats = 0;
    send(reason);
  };
  return {
    isOwed: () => owed,
    ask,
    paid: () => {
      owed = false;
    },
    heartbeat: () => {
      heartbeats += 1;
      if (owed && heartbeats >= PATIENCE) ask('all findings were asked for and did not come');
    },
  };
}
