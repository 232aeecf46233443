import type { Inventory } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { SessionStream } from './stream.ts';

/** Containers may come and go several times a second; the list of them is sent this often at most. */
const INTERVAL_MS = 2000;

/**
 * Sends the inventory now, and again when the returned function is called and it is another by then. `clock` ends with
 * the session.
 */
export function startInventory(stream: SessionStream, inventory: () => Inventory, clock: Clock): () => void {
  let sent = '';
  let resting = false;
  let due = true;
  const send = (): void => {
    due = false;
    const message = inventory();
    const text = JSON.stringify(message);
    if (text === sent) return;
    sent = text;
    resting = true;
    void stream.send({ inventory: message });
    clock.after(INTERVAL_MS, () => {
      resting = false;
      if (due) send();
    });
  };
  send();
  return () => {
    due = true;
    if (!resting) send();
  };
}
