import { redactJson, redactText } from '../../posture/redaction/redact.ts';
import type { Prober } from '../probe/prober.ts';
import { parsedReply } from '../runtime/docker/reply.ts';
import type { ContainerRuntime, Reply } from '../runtime/runtime.ts';
import { enginePrefix } from './answer.ts';
import type { Question } from './answer.ts';
import type { Engines } from '../runtime/engines.ts';
import type { RecordingBuffer } from './recording-buffer.ts';

/** The same runtime, its answers noted; `prefix` stands before each name where several runtimes are noted. */
export function recordRuntime(runtime: ContainerRuntime, notes: RecordingBuffer, prefix = ''): ContainerRuntime {
  const noting = async (ask: Question, name: string, asked: Promise<Reply>): Promise<Reply> => {
    const of = prefix + name;
    const reply = await asked;
    if (reply.ok) notes.add({ ask, of }, Buffer.from(`${JSON.stringify(redactJson(reply.value), null, 2)}\n`));
    else notes.add({ ask, of, code: reply.code, reason: redactText(reply.reason) });
    return reply;
  };
  return {
    endpoint: runtime.endpoint,
    info: () => noting('info', '', runtime.info()),
    version: () => noting('version', '', runtime.version()),
    listContainers: () => noting('listContainers', '', runtime.listContainers()),
    inspectContainer: async (id) => {
      const reply = await runtime.inspectContainer(id);
      await noting('inspectContainer', id, Promise.resolve(parsedReply(reply)));
      return reply;
    },
    inspectImage: (id) => noting('inspectImage', id, runtime.inspectImage(id)),
    imageHistory: (id) => noting('imageHistory', id, runtime.imageHistory(id)),
    inspectNetwork: (name) => noting('inspectNetwork', name, runtime.inspectNetwork(name)),
    events: runtime.events,
  };
}

/** The same engines, the answers of all noted. */
export function recordEngines(
  { named, others }: Engines,
  notes: RecordingBuffer,
): Engines & { readonly endpoints: () => string[] } {
  const recorded = new Map<ContainerRuntime, ContainerRuntime>();
  const recordedOf = (runtime: ContainerRuntime): ContainerRuntime => {
    const known = recorded.get(runtime) ?? recordRuntime(runtime, notes, enginePrefix(runtime.endpoint));
    recorded.set(runtime, known);
    return known;
  };
  return {
    named,
    others: async (host) => (await others(host)).map(recordedOf),
    endpoints: () => [...recorded.keys()].map(({ endpoint }) => endpoint),
  };
}

/** The same prober, its answers noted. */
export function recordProber(prober: Prober, notes: RecordingBuffer): Prober {
  return {
    probe: async (address, port) => {
      const outcome = await prober.probe(address, port);
      const question = { ask: 'probe', of: `${address} ${String(port)}` } as const;
      if (outcome.ok) notes.add({ ...question, probe: outcome.value });
      else notes.add({ ...question, code: 'failed', reason: redactText(outcome.reason) });
      return outcome;
    },
  };
}
