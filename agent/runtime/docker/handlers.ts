import type { RuntimeContainer } from '../../../posture/fact/container.ts';
import { object, record, string, withDefault } from '../../../posture/schema.ts';
import { clip } from '../../inspector/clip.ts';

/** What the configuration of an engine says about the names of its OCI runtimes. */
export interface Handlers {
  /** `Runtimes` of `GET /info`. */
  readonly update: (runtimes: unknown) => void;
  /** The container with the program of its handler; the same object as long as both say the same. */
  readonly complete: (container: RuntimeContainer) => Promise<RuntimeContainer>;
}

/** Names that dockerd gives runc itself, and that its configuration cannot give to another. */
const BUILT_IN: ReadonlySet<string> = new Set(['', 'runc', 'io.containerd.runc.v2']);
/** A name that is not in the configuration is not looked for again for so long. */
const ASK_AGAIN_MS = 30_000;

const text = withDefault(string('', 4096), '');
/** `{"runsc": {"path": "/usr/bin/runsc"}, "kata": {"runtimeType": "io.containerd.kata.v2"}}` */
const runtimesSchema = record(object({ path: text, runtimeType: text }), '', 1024);

/** Knows nothing until `update` or, for a container with another runtime than the built-in ones, `ask`. */
export function createHandlers(ask: () => Promise<unknown>, monotonicMs: () => number): Handlers {
  let programs: ReadonlyMap<string, string> = new Map();
  let askedAtMs = Number.NEGATIVE_INFINITY;
  const completed = new WeakMap<RuntimeContainer, RuntimeContainer>();
  const update: Handlers['update'] = (runtimes) => {
    const parsed = runtimesSchema.parse(runtimes);
    if (!parsed.ok) return;
    const entries = Object.entries(parsed.value);
    programs = new Map(entries.map(([name, { path, runtimeType }]) => [name, clip(path || runtimeType, 512)]));
  };
  const programOf = async (name: string): Promise<string> => {
    if (!programs.has(name) && monotonicMs() - askedAtMs > ASK_AGAIN_MS) {
      askedAtMs = monotonicMs();
      update(await ask());
    }
    // A name that is not configured is the type of a shim: containerd looks for its program.
    return programs.get(name) ?? name;
  };
  return {
    update,
    complete: async (container) => {
      const { handler } = container;
      if (BUILT_IN.has(handler.name)) return container;
      const program = await programOf(handler.name);
      const before = completed.get(container);
      if (before?.handler.program === program) return before;
      const result = { ...container, handler: { ...handler, program } };
      completed.set(container, result);
      return result;
    },
  };
}
