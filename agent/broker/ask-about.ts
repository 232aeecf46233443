import { connect } from 'node:net';
import { errorCode } from '../../service/files.ts';
import type { Clock } from '../../service/clock.ts';
import { scopedClock } from '../../service/scoped-clock.ts';
import { createLineChannel } from './line-channel.ts';
import { MAX_REQUEST_BYTES, parseBrokerMessage } from './message.ts';
import type { BrokerAbout } from './message.ts';

/** The response of a broker, or why it failed. `code`: the errno of connect(2), where that failed. */
export type AboutOutcome =
  | { readonly ok: true; readonly about: BrokerAbout }
  | { readonly ok: false; readonly code: string; readonly reason: string };

/** Asks the broker that listens on `path` what it is, beside the agent that is connected to it. Never rejects. */
export async function askAbout(path: string, deadlineMs: number, realClock: Clock): Promise<AboutOutcome> {
  const clock = scopedClock(realClock);
  const socket = connect(path);
  let failure = { code: '', reason: `no response within ${String(deadlineMs)} ms` };
  const closed = new Promise<void>((resolve) => {
    socket.once('close', resolve);
  });
  socket.once('error', (error) => (failure = { code: errorCode(error), reason: error.message }));
  const channel = createLineChannel(socket, MAX_REQUEST_BYTES, clock);
  let isLate = false;
  clock.after(deadlineMs, () => {
    isLate = true;
    socket.destroy();
  });
  try {
    void channel.send({ kind: 'about' });
    for await (const line of channel.lines()) {
      const parsed = parseBrokerMessage(line);
      if (parsed.ok && parsed.value.kind === 'about') return { ok: true, about: parsed.value };
      return { ok: false, code: '', reason: 'its response is not understood' };
    }
    return { ok: false, code: '', reason: isLate ? failure.reason : 'it closed the connection without a response' };
  } catch {
    // The error of the socket says why.
    await closed;
    return { ok: false, ...failure };
  } finally {
    clock.close();
    socket.destroy();
  }
}
