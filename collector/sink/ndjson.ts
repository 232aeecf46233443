import { errorCode } from '../../service/files.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { EventFormat } from '../../service/config/event-format.ts';
import { toLine } from '../event/line.ts';
import { viewOf } from '../event/view/view.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { openRotatedFile } from '../../service/rotated-file.ts';
import type { RotatedFileOptions } from '../../service/rotated-file.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** Where the lines go. */
export type NdjsonTarget =
  | ({ readonly kind: 'file' } & RotatedFileOptions)
  | { readonly kind: 'stream'; readonly stream: NodeJS.WritableStream };

/** What the sink needs. `render` makes the events of a batch, in order. */
export interface NdjsonOptions {
  readonly name: string;
  readonly target: NdjsonTarget;
  /** Absent: OCSF. */
  readonly format?: EventFormat;
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
}

/** A full, read-only or absent disk is looked at again after this time: there is no notification of its return. */
const RETRY_MS = 5000;

/**
 * One event a line, mostly a JSON object, UTF-8, no byte-order mark. A batch counts as delivered once it is on the disk (fdatasync), or
 * once the stream has accepted it: the reader of a pipe may still lose it. A stream that its reader has closed pauses the
 * sink, since it cannot be opened again.
 */
export function createNdjsonSink({ name, target, render, format = 'ocsf' }: NdjsonOptions): Sink {
  const view = viewOf(format);
  const out = target.kind === 'file' ? openRotatedFile(target) : openStream(target.stream);
  let closed = false;
  let sending: Promise<unknown> = Promise.resolve();
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    const lines = (await render(batch)).map((event) => toLine(view(event)));
    try {
      await out.append(lines);
      return { outcome: 'ok' };
    } catch (error) {
      return failureOf(errorCode(error));
    }
  };
  return {
    name,
    send: (batch) => {
      if (closed) return Promise.resolve({ outcome: 'retry', afterMs: RETRY_MS, reason: 'the sink is closed' });
      const under = send(batch);
      sending = under;
      return under;
    },
    close: async () => {
      closed = true;
      // A file that is being opened could not be closed.
      await Promise.allSettled([sending]);
      await out.close();
    },
  };
}

function failureOf(code: string): SinkOutcome {
  const reason = `writing events failed (${code})`;
  const closed = code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' || code === 'ERR_STREAM_WRITE_AFTER_END';
  return closed ? { outcome: 'pause', reason } : { outcome: 'retry', afterMs: RETRY_MS, reason };
}

function openStream(stream: NodeJS.WritableStream): ReturnType<typeof openRotatedFile> {
  // The callback of write gets the same error; without a listener it would end the program.
  const ignore = (): void => undefined;
  stream.on('error', ignore);
  return {
    append: (lines) =>
      new Promise((resolve, reject) => {
        stream.write(lines.join(''), (error) => (error ? reject(error) : resolve()));
      }),
    close: async () => void stream.off('error', ignore),
  };
}
