import fc from 'fast-check';
import t from 'tap';
import type { OpenedConnection } from '../../../collector/sink/syslog-connection.ts';
import { createSyslogSink } from '../../../collector/sink/syslog.ts';
import { systemClock } from '../../../service/clock.ts';
import { createRandom } from '../../fixture/random.ts';
import { events } from './events.ts';
import { frameReader, parseMessage } from './rfc5424.ts';

/*
 * A model of what lies between the sink and the disk of a receiver: bytes that were written and not read are lost with
 * the connection; events that were read and not written down are lost when the receiver is killed. The sink must get
 * everything to the disk, whatever happens when.
 */

const REPLAY = 20;
/** Events that the receiver has read and not written down, at most: fewer than half the window. */
const MEMORY = REPLAY / 2 - 1;

function modelReceiver(random: () => number, failures: number) {
  const disk = new Set<string>();
  let memory: string[] = [];
  let left = failures;
  let isDown = false;
  const happens = (chance: number): boolean => left > 0 && random() < chance && (left -= 1) >= 0;
  const read = (uids: readonly string[]): void => {
    memory.push(...uids);
    for (const uid of memory.splice(0, Math.max(0, memory.length - MEMORY))) disk.add(uid);
    // Whatever else it finds time to write down.
    for (const uid of memory.splice(0, Math.floor(random() * memory.length))) disk.add(uid);
  };
  const open = async (): Promise<OpenedConnection> => {
    // Killed while there was no connection: the next one is refused.
    if (happens(0.1)) [memory, isDown] = [[], true];
    if (isDown) {
      isDown = false;
      return { ok: false, reason: 'refused' };
    }
    let unread: string[] = [];
    let lost: string | undefined;
    const frames = frameReader();
    const fail = (): void => {
      read(unread.splice(0, Math.floor(random() * (unread.length + 1))));
      unread = [];
      if (random() < 0.5) [memory, isDown] = [[], true];
      lost = 'lost';
    };
    return {
      ok: true,
      connection: {
        lost: () => {
          if (lost === undefined && happens(0.05)) fail();
          return lost;
        },
        write: async (bytes) => {
          for (const message of frames(bytes))
            unread.push(String(parseMessage(message).elements.get('plimsoll@32473')?.get('uid')));
          if (happens(0.15)) fail();
          else read(unread.splice(0, Math.floor(random() * (unread.length + 1))));
          // The kernel has taken the bytes before it learns of the failure.
          return random() < 0.5 ? lost : undefined;
        },
        end: async () => {
          if (happens(0.15)) fail();
          if (lost === undefined) read(unread.splice(0));
          return lost;
        },
        destroy: () => undefined,
      },
    };
  };
  return { open, disk: () => new Set([...disk, ...memory]) };
}

await t.test('whatever fails when, every event reaches the disk of the receiver', async (t) => {
  const all = events(1, 120);
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 0, max: 40 }), async (seed, failures) => {
      const random = createRandom(seed).next;
      const receiver = modelReceiver(random, failures);
      const sink = createSyslogSink({
        name: 'syslog',
        clock: systemClock(),
        render: async (batch) => batch.map(({ uid }) => ({ uid })),
        frame: { facility: 'local0', maxBytes: 8000, procId: '1' },
        open: receiver.open,
        replay: REPLAY,
      });
      let [acknowledged, taken] = [0, 0];
      for (let steps = 0; acknowledged < all.length; steps += 1) {
        if (steps > 5000) return false;
        // Only at the end there is nothing more to come: the receiver has had time to write everything down.
        const batch = all.slice(taken, taken + 1 + Math.floor(random() * 30));
        const outcome = await sink.send(batch);
        if (outcome.outcome !== 'ok' && outcome.outcome !== 'retry') return false;
        acknowledged = Math.max(acknowledged, outcome.acknowledged ?? 0);
        taken = outcome.outcome === 'ok' ? taken + batch.length : acknowledged;
      }
      await sink.close();
      const disk = receiver.disk();
      return all.every(({ uid }) => disk.has(uid));
    }),
    { numRuns: 60 },
  );
  t.pass();
});
