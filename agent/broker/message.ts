import { containerSchema, labelsSchema } from '../../posture/fact/container.ts';
import { observed } from '../../posture/observed.ts';
import { probeSchema } from '../../posture/fact/listener.ts';
import { nodeSchema } from '../../posture/fact/node.ts';
import { nodeStatusSchema } from '../../posture/fact/node-status.ts';
import * as s from '../../posture/schema.ts';
import { INVENTORY_LIMITS } from '../../proto/inventory-codec.ts';
import { PROBED_SERVICES } from '../probe/ping.ts';
import { CRITICAL_STEP } from '../budget/throttle-profile.ts';
import { MAX_LABELLED_CONTAINERS } from '../inspector/container/labels.ts';

/*
 * The messages between agent and broker: one JSON object a line, on a unix socket. The agent sends `hello` first; the
 * broker answers `welcome`, then sends all facts, then changes. To `about` as the first message it answers what it is, and
 * closes the connection. Messages of the agent never name a path, a process or a
 * container: the broker decides what is read.
 */

/** Both sides must speak this version: they are two processes of one installation. */
export const BROKER_PROTOCOL = 4;

/** Longest line that the broker accepts. The longest message of the agent, `probed`, has some 4 KiB. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** Longest line that the agent accepts: one fact, or a part of the containers. */
export const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** Images of the node at most: each of as many containers as an engine may list can have one of its own. */
export const MAX_IMAGES = 50_000;
/** Sysctls that one request names. */
export const MAX_SYSCTLS = 256;

/** An inventory as base64. */
const MAX_INVENTORY_TEXT = Math.ceil((INVENTORY_LIMITS.bytes * 4) / 3) + 4;

const idSchema = s.integer('chosen by the sender, repeated in the response', 0);

/** A `ProbeOrigin`. */
const originSchema = s.object({
  namespace: s.nullable(s.integer('', 0)),
  nodeAddress: s.string('', 64),
});

const aboutSchema = s.object({
  protocol: s.integer('BROKER_PROTOCOL', 0),
  version: s.string('version of the program', 64),
  uid: s.integer('effective user id', 0),
  capabilities: s.string('effective capabilities, hexadecimal as in proc_pid_status(5)', 32),
});
/** What a broker is. */
export type BrokerAbout = s.Infer<typeof aboutSchema>;

/** The messages of the agent, by `kind`. */
const FROM_AGENT = Object.freeze({
  hello: s.object({
    protocol: s.integer('BROKER_PROTOCOL', 0),
    nodeId: s.string('id for a node that has no machine id; 32 hexadecimal digits', 32),
    origin: originSchema,
  }),
  about: s.object({}),
  pace: s.object({ step: s.integer('steps that the agent is slowed down by', 0, CRITICAL_STEP) }),
  nodeStatus: s.object({ id: idSchema }),
  labels: s.object({ id: idSchema }),
  sysctls: s.object({ id: idSchema, names: s.list(s.string('', 256), '', MAX_SYSCTLS) }),
  probed: s.object({ id: idSchema, probe: s.nullable(probeSchema), reason: s.string('', 1024) }),
});

/** The messages of the broker, by `kind`. */
const FROM_BROKER = Object.freeze({
  welcome: s.object({ protocol: s.integer('BROKER_PROTOCOL', 0), node: nodeSchema }),
  refused: s.object({ reason: s.string('', 1024) }),
  about: aboutSchema,
  facts: s.object({
    facts: s.record(s.unknown(), 'changed facts by name; of `containers` only what surrounds the list'),
    put: s.list(containerSchema, 'containers that are new or changed', 50_000),
    gone: s.list(s.string('', 128), 'ids of containers that are not listed any more', 50_000),
    last: s.boolean('the facts are complete, and hold together'),
  }),
  image: s.object({
    imageId: s.string('', 256),
    source: s.oneOf(['layers', 'container']),
    problem: s.string('', 1024),
    atRest: s.nullable(s.list(s.string('', 512), '', 16), 'its tags, where no container runs it'),
    digest: s.string('SHA-256 of the inventory, hexadecimal; empty: absent', 64),
    content: s.string('the inventory (proto/inventory-codec.ts), base64', MAX_INVENTORY_TEXT),
  }),
  imageList: s.object({
    ids: s.list(s.string('', 256), 'images of the node; records of others are dropped', MAX_IMAGES),
  }),
  usage: s.object({ rssBytes: s.integer('', 0), cpuMs: s.number() }),
  nodeStatus: s.object({ id: idSchema, status: nodeStatusSchema }),
  labels: s.object({ id: idSchema, labels: s.record(labelsSchema, '', MAX_LABELLED_CONTAINERS) }),
  sysctls: s.object({ id: idSchema, sysctls: s.record(observed(s.string('', 1024)), '', MAX_SYSCTLS) }),
  probe: s.object({
    id: idSchema,
    address: s.string('', 64),
    port: s.integer('', 1, 65_535),
    service: s.oneOf(PROBED_SERVICES),
  }),
});

type SchemaTable = Readonly<Record<string, s.Schema<unknown>>>;
type Messages<T extends SchemaTable> = { readonly [K in keyof T]: { readonly kind: K } & s.Infer<T[K]> }[keyof T];

/** A message of the agent. */
export type AgentMessage = Messages<typeof FROM_AGENT>;
/** A message of the broker. */
export type BrokerMessage = Messages<typeof FROM_BROKER>;

/** Parses a line of the agent. `problem` quotes nothing of it. */
export function parseAgentMessage(line: Buffer): s.Parsed<AgentMessage> {
  return parseMessage<AgentMessage>(line, FROM_AGENT);
}

/** Parses a line of the broker. */
export function parseBrokerMessage(line: Buffer): s.Parsed<BrokerMessage> {
  return parseMessage<BrokerMessage>(line, FROM_BROKER);
}

function parseMessage<M>(line: Buffer, table: SchemaTable): s.Parsed<M> {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    return { ok: false, problem: 'a line that is not JSON' };
  }
  const { kind } = (value ?? {}) as { kind?: unknown };
  const schema = typeof kind === 'string' && Object.hasOwn(table, kind) ? table[kind] : undefined;
  if (schema === undefined) return { ok: false, problem: 'a message of an unknown kind' };
  const parsed = schema.parse(value, '');
  return parsed.ok ? { ok: true, value: { kind, ...(parsed.value as object) } as M } : parsed;
}
