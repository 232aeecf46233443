import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** The id of the entry that says that the processes of the node could not be seen: more may run. */
export const PROCESSES_NOT_VISIBLE = '/proc';

/** Something that is there and could not be inspected. Checks of its kind answer `unknown` about it. */
export const unobservedSchema = s.object(
  {
    kind: s.oneOf(
      ['container', 'sandbox', 'engine', 'image'],
      'what could not be inspected; `sandbox`: it did nothing but hold the namespaces of its pod when it was seen last',
    ),
    id: s.string(
      'full id of a container, sandbox or image; endpoint or process of an engine; `/proc`: whether more run could not be seen',
      4096,
    ),
    name: s.string('empty where it is not known', 1024),
    imageId: s.string('of a container: `sha256:…`; empty where it is not known', 128),
    pid: s.integer('first process as it was seen last; 0 where it is not known'),
    engine: s.string('endpoint of the engine that was asked; empty: none', 4096),
    sinceMs: s.integer('time of the first failed look, milliseconds since 1970, UTC'),
    reason: s.string('why the last look failed', 1024),
  },
  'a container, sandbox, engine or image that is there and could not be inspected',
);
/** See {@link unobservedSchema}. */
export type Unobserved = s.Infer<typeof unobservedSchema>;

/** Does the entry say that a container, or the sandbox of a pod, could not be inspected? */
export function isContainerEntry({ kind }: Pick<Unobserved, 'kind'>): boolean {
  return kind === 'container' || kind === 'sandbox';
}

/** All that is there and could not be inspected; unreadable where even that is not known. */
export const unobservedListSchema = observed(
  s.list(unobservedSchema, '', 20_000),
  'containers, sandboxes, engines and images that are there and could not be inspected',
);
/** See {@link unobservedListSchema}. */
export type UnobservedFact = s.Infer<typeof unobservedListSchema>;
