import { parsedReply, replyFailure } from '../runtime/docker/reply.ts';
import { keyOf } from './answer.ts';
import type { Prober } from '../probe/prober.ts';
import type { ContainerRuntime, Reply, ReplyFailureCode, TextReply } from '../runtime/runtime.ts';
import type { RecordedLine, Question } from './answer.ts';
import type { RecordingFiles } from './recording-files.ts';

const MAX_CONTENT_BYTES = 64 * 1024 * 1024;

/** A runtime that answers from a recording. It has no events. */
export function createRecordedRuntime(
  endpoint: string,
  answers: ReadonlyMap<string, RecordedLine>,
  files: RecordingFiles,
  prefix = '',
): ContainerRuntime {
  const askText = async (question: Question, of = ''): Promise<TextReply> => {
    const answer = answers.get(keyOf(question, prefix + of));
    if (answer === undefined) return replyFailure('notRecorded', 'nobody asked for it when the node was recorded');
    if (answer.code !== null) return replyFailure(toReplyCode(answer.code), answer.reason ?? '');
    const read = await files.readFile(`/${answer.file ?? ''}`, { maxBytes: MAX_CONTENT_BYTES });
    if (!read.ok) return replyFailure('failed', `the recording is damaged: ${read.reason}`);
    return { ok: true, json: read.value };
  };
  const ask = async (question: Question, of = ''): Promise<Reply> => {
    const reply = parsedReply(await askText(question, of));
    return reply.ok || reply.reason !== 'the answer is not JSON'
      ? reply
      : replyFailure('failed', 'the recording is damaged: not JSON');
  };
  return {
    endpoint,
    info: () => ask('info'),
    version: () => ask('version'),
    listContainers: () => ask('listContainers'),
    inspectContainer: (id) => askText('inspectContainer', id),
    inspectImage: (id) => ask('inspectImage', id),
    imageHistory: (id) => ask('imageHistory', id),
    inspectNetwork: (name) => ask('inspectNetwork', name),
    events: (_onEvent, onEnd, signal) => {
      queueMicrotask(() => {
        if (!signal.aborted) onEnd('a recorded node has no events');
      });
    },
  };
}

/** A prober that answers from a recording. */
export function createRecordedProber(answers: ReadonlyMap<string, RecordedLine>): Prober {
  return {
    probe: (address, port) => {
      const answer = answers.get(keyOf('probe', `${address} ${String(port)}`));
      if (answer?.probe) return Promise.resolve({ ok: true, value: answer.probe });
      return Promise.resolve({ ok: false, reason: answer?.reason ?? 'not probed when the node was recorded' });
    },
  };
}

function toReplyCode(code: NonNullable<RecordedLine['code']>): ReplyFailureCode {
  switch (code) {
    case 'absent':
    case 'denied':
    case 'notFound':
    case 'timeout':
    case 'tooLarge':
    case 'notRecorded':
      return code;
    case 'notRegular':
    case 'loop':
    case 'failed':
      return 'failed';
  }
}
