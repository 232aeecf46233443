import { redactJson, redactText } from '../../posture/redaction/redact.ts';
import type { Prober } from '../probe/prober.ts';
import type { Engines } from '../runtime/engines.ts';
import type { ContainerRuntime, Reply } from '../runtime/runtime.ts';
import { enginePrefix } from './recorded-result.ts';
import type { RecordedEngine, RuntimeOperation } from './recorded-result.ts';
import type { RecordingBuffer } from './recording-buffer.ts';

/** The same runtime, its replies recorded; `prefix` precedes each target where several runtimes are recorded. */
export function recordRuntime(runtime: ContainerRuntime, buffer: RecordingBuffer, prefix = ''): ContainerRuntime {
  const record = async <T>(op: RuntimeOperation, name: string, replying: Promise<Reply<T>>): Promise<Reply<T>> => {
    const reply = await replying;
    const result = { op, target: prefix + name, source: redactText(reply.source) };
    if (reply.ok) buffer.add(result, Buffer.from(`${JSON.stringify(redactJson(reply.value), null, 2)}\n`));
    else buffer.add({ ...result, code: reply.code, reason: redactText(reply.reason) });
    return reply;
  };
  return {
    get name() {
      return runtime.name;
    },
    endpoint: runtime.endpoint,
    version: () => record('version', '', runtime.version()),
    engine: () => record('engine', '', runtime.engine()),
    listContainers: () => record('listContainers', '', runtime.listContainers()),
    inspectContainer: (id) => record('inspectContainer', id, runtime.inspectContainer(id)),
    containerLabels: runtime.containerLabels,
    inspectImage: (id) => record('inspectImage', id, runtime.inspectImage(id)),
    events: runtime.events,
  };
}

/** The same engines, the replies of all recorded. */
export function recordEngines(
  { named, others }: Engines,
  buffer: RecordingBuffer,
): Engines & { readonly recorded: () => RecordedEngine[] } {
  const recorders = new Map<ContainerRuntime, ContainerRuntime>();
  const recorderOf = (runtime: ContainerRuntime): ContainerRuntime => {
    const recorder = recorders.get(runtime) ?? recordRuntime(runtime, buffer, enginePrefix(runtime.endpoint));
    recorders.set(runtime, recorder);
    return recorder;
  };
  return {
    named,
    others: async (host) => (await others(host)).map(recorderOf),
    recorded: () => [...recorders.keys()].map(toRecordedEngine),
  };
}

/** How the manifest names a runtime. */
export function toRecordedEngine({ name, endpoint }: ContainerRuntime): RecordedEngine {
  return { runtime: name, endpoint };
}

/** The same prober, its results recorded. */
export function recordProber(prober: Prober, buffer: RecordingBuffer): Prober {
  return {
    origin: prober.origin,
    probe: async (address, port, service) => {
      const outcome = await prober.probe(address, port, service);
      const result = { op: 'probe', target: `${address} ${String(port)}` } as const;
      if (outcome.ok) buffer.add({ ...result, probe: outcome.value });
      else buffer.add({ ...result, code: 'failed', reason: redactText(outcome.reason) });
      return outcome;
    },
  };
}
