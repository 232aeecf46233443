import { toText } from '../event/line.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { versionsOf } from '../event/ocsf/shorter.ts';
import type { View } from '../event/view/view.ts';
import type { StoredEvent } from '../store/stored-event.ts';

/** An event as one message of a queue. */
export interface Message {
  readonly uid: string;
  /** Messages of one finding have the same key, so that their order is kept. */
  readonly key: string;
  readonly payload: Buffer;
}

/** The messages of a batch, in order, and the uids of events whose summary has more than `maxBytes`. */
export function toMessages(
  batch: readonly StoredEvent[],
  ocsf: readonly OcsfEvent[],
  { view, maxBytes }: { readonly view: View; readonly maxBytes: number },
): { readonly messages: readonly Message[]; readonly tooLarge: readonly string[] } {
  const messages: Message[] = [];
  const tooLarge: string[] = [];
  for (const [index, event] of batch.entries()) {
    const rendered = ocsf[index] ?? {};
    const payload = fit(versionsOf(event, rendered), view, maxBytes);
    if (payload === undefined) tooLarge.push(event.uid);
    else messages.push({ uid: event.uid, key: keyOf(rendered) ?? event.uid, payload });
  }
  return { messages, tooLarge };
}

/** Messages in groups of at most `bytes`; a larger one is a group of its own. */
export function groupsOf(messages: readonly Message[], bytes: number): readonly (readonly Message[])[] {
  const groups: Message[][] = [];
  let left = 0;
  for (const message of messages) {
    left -= message.payload.length;
    const group = groups.at(-1);
    if (group !== undefined && left >= 0) group.push(message);
    else {
      groups.push([message]);
      left = bytes - message.payload.length;
    }
  }
  return groups;
}

function fit(versions: Iterable<OcsfEvent>, view: View, maxBytes: number): Buffer | undefined {
  for (const version of versions) {
    const payload = Buffer.from(toText(view(version)));
    if (payload.length <= maxBytes) return payload;
  }
  return undefined;
}

/** The uid of the finding that an event is about. */
function keyOf(event: OcsfEvent): string | undefined {
  const { uid } = (event['finding_info'] ?? {}) as { readonly uid?: unknown };
  return typeof uid === 'string' ? uid : undefined;
}
