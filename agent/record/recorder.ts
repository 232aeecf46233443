import { createRecordingBuffer } from './recording-buffer.ts';
import { recordHost } from './record-host.ts';
import { recordEngines, recordProber, recordRuntime, toRecordedEngine } from './record-runtime.ts';
import { saveRecording } from './save.ts';
import type { NodeAccess } from '../node-access.ts';
import type { Saved } from './save.ts';

/** Records every result that is read through `access`. */
export interface Recorder {
  readonly access: NodeAccess;
  /** Writes the results into a directory, which must be new or empty. */
  readonly save: (directory: string) => Promise<Saved>;
}

/**
 * Records every result of a node, failures included, with secrets removed before they are kept. A node that is opened
 * from what `save` writes gives the same results.
 */
export function createRecorder(access: NodeAccess): Recorder {
  const buffer = createRecordingBuffer();
  const engines = recordEngines(access.engines, buffer);
  let recordedAtMs: number | undefined;
  return {
    access: {
      host: recordHost(access.host, buffer),
      runtime: recordRuntime(access.runtime, buffer),
      engines,
      prober: recordProber(access.prober, buffer),
      inventory: access.inventory,
      agent: access.agent,
      cache: access.cache,
      failedLooks: access.failedLooks,
      now: () => {
        const nowMs = access.now();
        // Facts are judged by the time of their round: the first that was asked for.
        recordedAtMs ??= nowMs;
        return nowMs;
      },
    },
    save: async (directory) =>
      saveRecording(directory, {
        buffer,
        recordedAtMs: recordedAtMs ?? access.now(),
        engine: toRecordedEngine(access.runtime),
        named: [...access.engines.named],
        otherEngines: engines.recorded().sort((one, other) => (one.endpoint < other.endpoint ? -1 : 1)),
        node: await access.inventory(),
      }),
  };
}
