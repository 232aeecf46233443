import { errorCode } from '../../service/files.ts';
import type { OutboxEvent } from '../store/store.ts';
import type { OcsfEvent } from './ocsf.ts';
import { openRotatedFile } from './rotated-file.ts';
import type { RotatedFileOptions } from './rotated-file.ts';
import type { Sink } from './sink.ts';

/** Where the lines go. */
export type NdjsonTarget =
  | ({ readonly kind: 'file' } & RotatedFileOptions)
  | { readonly kind: 'stream'; readonly stream: NodeJS.WritableStream };

/** What the sink needs. `render` makes the events of a batch, in order. */
export interface NdjsonOptions {
  readonly name: string;
  readonly target: NdjsonTarget;
  readonly render: (batch: readonly OutboxEvent[]) => Promise<readonly OcsfEvent[]>;
}

/** A full or read-only disk is looked at again after this time. */
const RETRY_MS = 5000;

/** One JSON object a line, UTF-8, no byte-order mark. A batch counts as delivered once it is on disk. */
export function createNdjsonSink({ name, target, render }: NdjsonOptions): Sink {
  const file = target.kind === 'file' ? openRotatedFile(target) : undefined;
  return {
    name,
    send: async (batch) => {
      const lines = (await render(batch)).map((event) => `${JSON.stringify(event)}\n`).join('');
      try {
        if (target.kind === 'stream') await writeTo(target.stream, lines);
        else await file?.append(lines);
        return { outcome: 'ok' };
      } catch (error) {
        return { outcome: 'retry', afterMs: RETRY_MS, reason: `writing events failed (${errorCode(error)})` };
      }
    },
    close: async () => file?.close(),
  };
}

function writeTo(stream: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
