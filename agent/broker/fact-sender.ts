import type { LineChannel } from './line-channel.ts';
import { factMessages } from './fact-transfer.ts';
import type { BrokerFacts } from './fact-transfer.ts';

/** Keeps the other side of a channel at the current facts. */
export interface FactSender {
  /** The facts changed. */
  readonly notify: () => void;
}

/**
 * Sends the difference to what was sent last, one message at a time: while the agent does not read, changes are joined,
 * so that a slow agent costs no memory.
 */
export function createFactSender(channel: LineChannel, facts: () => BrokerFacts | undefined): FactSender {
  let sent: BrokerFacts | undefined;
  let isSending = false;
  const send = async (): Promise<void> => {
    isSending = true;
    for (let current = facts(); current !== undefined && current !== sent; current = facts()) {
      for (const message of factMessages(sent, current)) await channel.send(message);
      sent = current;
    }
    isSending = false;
  };
  return {
    notify: () => {
      if (!isSending) void send();
    },
  };
}
