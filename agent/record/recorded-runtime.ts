import { runtimeContainerSchema } from '../../posture/fact/container.ts';
import type { RuntimeContainer } from '../../posture/fact/container.ts';
import { imageSchema } from '../../posture/fact/image.ts';
import { list } from '../../posture/schema.ts';
import type { Schema } from '../../posture/schema.ts';
import { parseNamespaceLink } from '../inspector/proc/node-namespaces.ts';
import type { Prober } from '../probe/prober.ts';
import {
  engineInfoSchema,
  listedContainerSchema,
  MAX_CONTAINERS,
  replyFailure,
  runtimeVersionSchema,
} from '../runtime/runtime.ts';
import type { ContainerRuntime, Reply, ReplyFailureCode } from '../runtime/runtime.ts';
import { keyOf } from './recorded-result.ts';
import type { RecordedEngine, RecordedResult, RuntimeOperation } from './recorded-result.ts';
import type { RecordingFiles } from './recording-files.ts';

const MAX_CONTENT_BYTES = 64 * 1024 * 1024;

const listSchema = list(listedContainerSchema, '', MAX_CONTAINERS);

/** A runtime that replies from a recording. It has no events. */
export function createRecordedRuntime(
  { runtime: name, endpoint }: RecordedEngine,
  results: ReadonlyMap<string, RecordedResult>,
  files: RecordingFiles,
  prefix = '',
): ContainerRuntime {
  const read = async <T>(op: RuntimeOperation, schema: Schema<T>, target = ''): Promise<Reply<T>> => {
    const result = results.get(keyOf(op, prefix + target));
    if (result === undefined)
      return replyFailure('notRecorded', 'this was not read when the node was recorded', `${name} ${op}`);
    const source = result.source ?? `${name} ${op}`;
    if (result.code !== null) return replyFailure(toReplyCode(result.code), result.reason ?? '', source);
    const content = await files.readFile(`/${result.file ?? ''}`, { maxBytes: MAX_CONTENT_BYTES });
    const parsed = content.ok ? parseContent(content.value, schema) : ({ ok: false, problem: content.reason } as const);
    return parsed.ok
      ? { ok: true, value: parsed.value, source }
      : replyFailure('failed', `the recording is damaged: ${parsed.problem}`, source);
  };
  const inspectContainer = async (id: string): Promise<Reply<RuntimeContainer>> => {
    const reply = await read('inspectContainer', runtimeContainerSchema, id);
    if (!reply.ok) return reply;
    // What identifies a container is not for the recording to say.
    return reply.value.id.startsWith(id)
      ? { ...reply, value: { ...reply.value, runtime: name, engine: endpoint } }
      : replyFailure('failed', 'the recording is damaged: it has another container here', reply.source);
  };
  const inspected = new Map<string, Promise<Reply<RuntimeContainer>>>();
  return {
    name,
    endpoint,
    version: () => read('version', runtimeVersionSchema),
    engine: () => read('engine', engineInfoSchema),
    listContainers: () => read('listContainers', listSchema),
    inspectContainer: (id) => {
      const reply = inspected.get(id) ?? inspectContainer(id);
      if (results.has(keyOf('inspectContainer', prefix + id))) inspected.set(id, reply);
      return reply;
    },
    containerLabels: () =>
      Promise.resolve(replyFailure('notRecorded', 'labels are not recorded', `${name} containerLabels`)),
    inspectImage: (id) => read('inspectImage', imageSchema, id),
    events: (_onEvent, onEnd, signal) => {
      queueMicrotask(() => {
        if (!signal.aborted) onEnd('a recorded node has no events');
      });
    },
  };
}

function parseContent<T>(content: Buffer, schema: Schema<T>): ReturnType<Schema<T>['parse']> {
  try {
    return schema.parse(JSON.parse(content.toString('utf8')));
  } catch {
    return { ok: false, problem: 'not JSON' };
  }
}

/** A prober that replies from a recording. */
export function createRecordedProber(results: ReadonlyMap<string, RecordedResult>): Prober {
  return {
    origin: () => {
      const link = results.get(keyOf('readLink', '/proc/self/ns/net'))?.link ?? '';
      return Promise.resolve({ namespace: parseNamespaceLink(link) ?? null, nodeAddress: '' });
    },
    probe: (address, port) => {
      const result = results.get(keyOf('probe', `${address} ${String(port)}`));
      if (result?.probe) return Promise.resolve({ ok: true, value: result.probe });
      return Promise.resolve({ ok: false, reason: result?.reason ?? 'not probed when the node was recorded' });
    },
  };
}

function toReplyCode(code: NonNullable<RecordedResult['code']>): ReplyFailureCode {
  return code === 'notRegular' || code === 'loop' ? 'failed' : code;
}
