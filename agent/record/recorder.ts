import { createRecordingBuffer } from './recording-buffer.ts';
import { recordHost } from './record-host.ts';
import { recordEngines, recordProber, recordRuntime } from './record-runtime.ts';
import { saveRecording } from './save.ts';
import type { NodeAccess } from '../node-access.ts';
import type { Saved } from './save.ts';

/** A node that is seen through `access` while every answer is noted. */
export interface Recorder {
  readonly access: NodeAccess;
  /** Writes what was noted into a directory, which must be new or empty. */
  readonly save: (directory: string) => Promise<Saved>;
}

/**
 * Notes every answer of a node, those that say that something is absent or denied included, with secrets taken out as
 * they are noted. A node that is opened from what `save` writes answers the same.
 */
export function createRecorder(access: NodeAccess): Recorder {
  const notes = createRecordingBuffer();
  const engines = recordEngines(access.engines, notes);
  let recordedAtMs: number | undefined;
  return {
    access: {
      host: recordHost(access.host, notes),
      runtime: recordRuntime(access.runtime, notes),
      engines,
      prober: recordProber(access.prober, notes),
      inventory: access.inventory,
      agent: access.agent,
      cache: access.cache,
      now: () => {
        const nowMs = access.now();
        // Facts are judged by the time of their round: the first that was asked for.
        recordedAtMs ??= nowMs;
        return nowMs;
      },
    },
    save: async (directory) =>
      saveRecording(directory, {
        notes,
        recordedAtMs: recordedAtMs ?? access.now(),
        endpoint: access.runtime.endpoint,
        named: [...access.engines.named],
        otherEndpoints: engines.endpoints().sort(),
        node: await access.inventory(),
      }),
  };
}
