/** What the test says to a process: how far its wall clock is off from now on. */
export interface ToChild {
  readonly offsetMs: number;
}

/** What the process says: it is ready (an agent listens nowhere: 0), or why it could not start. */
export type FromChild =
  | { readonly kind: 'ready'; readonly listenPort: number; readonly apiPort: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** The version that both programs say they have. */
export const VERSION = '0.0.0-chaos';
