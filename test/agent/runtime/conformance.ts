import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { runtimeContainerSchema } from '../../../posture/fact/container.ts';
import { imageSchema } from '../../../posture/fact/image.ts';
import {
  engineInfoSchema,
  listedContainerSchema,
  MAX_CONTAINERS,
  REPLY_FAILURE_CODES,
  runtimeVersionSchema,
} from '../../../agent/runtime/runtime.ts';
import type { ContainerRuntime, Reply, RuntimeEvent } from '../../../agent/runtime/runtime.ts';
import { list, record, string } from '../../../posture/schema.ts';
import type { Schema } from '../../../posture/schema.ts';

/** An adapter of the port, before a runtime in a state that is known from another source than the adapter. */
export interface RuntimeUnderTest {
  readonly runtime: ContainerRuntime;
  /** A container that runs, privileged, with a memory limit of 64 MiB. */
  readonly running: { readonly id: string; readonly name: string; readonly pid: number; readonly pod: string };
  /** A container that was created and never started. */
  readonly created: { readonly id: string };
  /** The image of the running container. */
  readonly image: { readonly id: string; readonly tag: string };
  /** The same kind of adapter where no runtime answers. */
  readonly absent: ContainerRuntime;
  /** The same kind of adapter before a runtime that gives these values, or texts, in the place of every answer. */
  readonly hostile: (answer: unknown) => Promise<ContainerRuntime>;
  /** Starts a container; resolves to its id. undefined: the adapter has no events. */
  readonly start: (() => Promise<string>) | undefined;
}

/** Ids that are no ids, or of nothing. */
const STRANGE_IDS: readonly string[] = [
  '',
  '..',
  '../info',
  'a/../../info',
  'a b\r\nX: y',
  '__proto__',
  'constructor',
  'ff'.repeat(32),
  'a'.repeat(100_000),
  'sha256:\u0000',
];

/** What a hostile runtime answers. */
const HOSTILE: readonly unknown[] = [
  undefined,
  null,
  7,
  'text',
  [],
  {},
  [{}],
  { Id: 7, State: 'x' },
  { id: 'x'.repeat(1000), names: ['x'.repeat(100_000)] },
  JSON.parse('{"__proto__": {"ok": true}}'),
  nested(500),
];

function nested(depth: number): unknown {
  let value: unknown = 'x';
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

interface Call {
  readonly name: string;
  readonly schema: Schema<unknown>;
  readonly call: (runtime: ContainerRuntime, id: string) => Promise<Reply<unknown>>;
}

const CALLS: readonly Call[] = [
  { name: 'version', schema: runtimeVersionSchema, call: (runtime) => runtime.version() },
  { name: 'engine', schema: engineInfoSchema, call: (runtime) => runtime.engine() },
  {
    name: 'listContainers',
    schema: list(listedContainerSchema, '', MAX_CONTAINERS),
    call: (runtime) => runtime.listContainers(),
  },
  { name: 'inspectContainer', schema: runtimeContainerSchema, call: (runtime, id) => runtime.inspectContainer(id) },
  { name: 'containerLabels', schema: record(string()), call: (runtime, id) => runtime.containerLabels(id) },
  { name: 'inspectImage', schema: imageSchema, call: (runtime, id) => runtime.inspectImage(id) },
];

/** What every adapter of `ContainerRuntime` promises. */
export async function testRuntime(t: Test, make: (t: Test) => Promise<RuntimeUnderTest>): Promise<void> {
  const under = await make(t);
  const { runtime, running, created, image } = under;
  await t.test('values', async (t) => {
    t.match(runtime.name, /^[a-z][a-z-]{0,31}$/);
    t.match(runtime.endpoint, /^[a-z]+:\/\//);
    for (const { name, schema, call } of CALLS) {
      const reply = await call(runtime, name === 'inspectImage' ? image.id : running.id);
      wellFormed(t, name, reply, schema);
      // A recording has no labels: checks do not read them.
      t.ok(reply.ok || reply.code === 'notRecorded', `${name} answers`);
    }
  });
  await t.test('containers', async (t) => {
    const listed = await runtime.listContainers();
    t.match(listed.ok && listed.value.find(({ id }) => id === running.id), {
      names: [running.name],
      state: 'running',
      imageId: image.id,
    });
    t.match(listed.ok && listed.value.find(({ id }) => id === created.id), { state: 'created' });
    const reply = await runtime.inspectContainer(running.id);
    t.match(reply, {
      value: {
        ...running,
        runtime: runtime.name,
        engine: runtime.endpoint,
        imageId: image.id,
        state: 'running',
        declared: { privileged: true, memoryBytes: 64 * 1024 * 1024 },
      },
    });
    if (!reply.ok) return;
    const fields = [...Object.keys(reply.value.declared), 'state', 'image'];
    t.strictSame(
      fields.filter((field) => !reply.value.sources[field]),
      [],
      'each value has a source',
    );
    const again = await runtime.inspectContainer(running.id);
    t.equal(again.ok && again.value, reply.value, 'what is unchanged is the same object');
    t.match(await runtime.inspectContainer(created.id), { value: { state: 'created', pid: 0 } });
    t.match(await runtime.inspectImage(image.id), {
      value: { id: image.id, runtime: runtime.name, tags: [image.tag], history: { state: 'seen' } },
    });
  });
  await t.test('ids that are none', async (t) => {
    for (const id of STRANGE_IDS)
      for (const { name, call } of CALLS.slice(3)) {
        const reply = await call(runtime, id);
        t.notOk(reply.ok, `${name} ${JSON.stringify(id.slice(0, 20))}`);
        wellFormed(t, name, reply);
      }
  });
  await t.test('no runtime', async (t) => {
    for (const { name, call } of CALLS)
      t.match(
        await call(under.absent, name === 'inspectImage' ? image.id : running.id),
        { ok: false, code: name === 'containerLabels' ? /^(absent|notRecorded)$/ : 'absent' },
        name,
      );
    const ends: string[] = [];
    under.absent.events(
      () => t.fail('nothing happens'),
      (reason) => ends.push(reason),
      new AbortController().signal,
    );
    for (let turn = 0; turn < 2000 && ends.length === 0; turn += 1) await sleep(10);
    await sleep(20);
    t.match(ends, [/./], 'the stream ends, once');
    t.equal(ends.length, 1);
  });
  await t.test('hostile answers', async (t) => {
    for (const [index, answer] of HOSTILE.entries()) {
      const hostile = await under.hostile(answer);
      for (const { name, schema, call } of CALLS)
        wellFormed(t, `answer ${String(index)}, ${name}`, await call(hostile, 'c1'), schema);
    }
  });
  const { start } = under;
  if (start === undefined) return;
  await t.test('events', async (t) => {
    const stopping = new AbortController();
    const events: RuntimeEvent[] = [];
    runtime.events(
      (event) => events.push(event),
      () => t.fail('an abort is no end'),
      stopping.signal,
    );
    const id = await start();
    const isSeen = (): boolean => events.some((event) => event.kind === 'containerStarted' && event.id === id);
    for (let turn = 0; turn < 2000 && !isSeen(); turn += 1) await sleep(10);
    t.ok(isSeen(), 'the start of a container is reported');
    stopping.abort();
    const count = events.length;
    await start();
    t.equal(events.length, count, 'nothing is reported after an abort');
  });
}

/** A value that its schema accepts as it is, or a failure of the closed list; with a source either way. */
function wellFormed(t: Test, name: string, reply: Reply<unknown>, schema?: Schema<unknown>): void {
  t.ok(reply.source !== '' && reply.source.length <= 8192, `${name} has a source`);
  if (!reply.ok) {
    t.ok(REPLY_FAILURE_CODES.includes(reply.code) && reply.reason !== '', `${name}: ${reply.code}`);
    return;
  }
  const parsed = schema?.parse(reply.value);
  t.ok(parsed?.ok === true, `${name} fits its schema`);
}
