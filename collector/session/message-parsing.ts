import type { Heartbeat, Hello, ImagesInUse, Inventory } from '../../proto/fleet.ts';
import type { ImageClaim, InventorySource } from '../store/image-store.ts';
import type { NodeContainer, NodeRow } from '../store/store.ts';

/** A Hello that makes sense. */
export interface ParsedHello {
  readonly epoch: string;
  /** Empty: an agent of a version that does not say. */
  readonly instance: string;
  readonly ackedSequence: number;
  /** Undefined: the agent does not send it. */
  readonly sentSequence: number | undefined;
  readonly nodeName: string;
  readonly agentVersion: string;
  readonly answersQueries: boolean;
}

const MAX_EPOCH = 128;
const MAX_NAME = 256;
const MAX_REFERENCE = 1024;
const MAX_CAPABILITIES = 64;
const MAX_CONTAINERS = 10_000;

/** What a Hello says, or what is wrong with it. Texts for people are cut to their bound. */
export function parseHello(hello: Hello): ParsedHello | string {
  const { epoch, instance, ackedSequence, sentSequence, nodeName, agentVersion, capabilities } = hello;
  if (typeof epoch !== 'string' || epoch === '' || epoch.length > MAX_EPOCH) return 'Hello has no valid epoch';
  if ((instance?.length ?? 0) > MAX_EPOCH) return 'Hello has no valid instance';
  const acked = ackedSequence ?? 0;
  if (!Number.isSafeInteger(acked) || acked < 0) return 'Hello has no valid acked_sequence';
  if ((capabilities?.length ?? 0) > MAX_CAPABILITIES) return 'Hello names too many capabilities';
  return {
    epoch,
    instance: instance ?? '',
    ackedSequence: acked,
    sentSequence: sentSequence ?? undefined,
    nodeName: cut(nodeName, MAX_NAME),
    agentVersion: cut(agentVersion, MAX_NAME),
    answersQueries: capabilities?.includes('query') === true,
  };
}

/** What an Inventory changes in the node's row, or what is wrong with it. */
export function parseInventory(inventory: Inventory): Partial<NodeRow> | string {
  const containers = inventory.containers ?? [];
  if (containers.length > MAX_CONTAINERS) return `Inventory has more than ${String(MAX_CONTAINERS)} containers`;
  return {
    operatingSystem: cut(inventory.operatingSystem, MAX_NAME),
    kernelRelease: cut(inventory.kernelRelease, MAX_NAME),
    architecture: cut(inventory.architecture, MAX_NAME),
    cpus: count(inventory.cpus),
    memoryBytes: count(inventory.memoryBytes),
    runtime: cut(inventory.runtime, MAX_NAME),
    securityModules: cut(inventory.securityModules, MAX_REFERENCE),
    containers: containers.map(toNodeContainer),
  };
}

function toNodeContainer(container: NonNullable<Inventory['containers']>[number]): NodeContainer {
  const { podUid } = container;
  return {
    id: cut(container.id, MAX_NAME),
    name: cut(container.name, MAX_NAME),
    image: cut(container.image, MAX_REFERENCE),
    imageId: cut(container.imageId, MAX_NAME),
    startedAt: cut(container.startedAt, MAX_NAME),
    ...(podUid && {
      podUid: cut(podUid, MAX_NAME),
      namespace: cut(container.podNamespace, MAX_NAME),
      pod: cut(container.podName, MAX_NAME),
    }),
  };
}

/** What a Heartbeat changes in the node's row. */
export function parseHeartbeat({ rssBytes, cpuMs, dropped }: Heartbeat): Partial<NodeRow> {
  return { agentRssBytes: count(rssBytes), agentCpuMs: count(cpuMs), dropped: count(dropped) };
}

/** What a node says about its images: `omitted` did not fit into its list. */
export interface ParsedImages {
  readonly claims: readonly ImageClaim[];
  readonly omitted: number;
}

const MAX_IMAGES = 4096;
const MAX_PROBLEM = 512;
const MAX_TAGS = 16;
const MAX_TAG = 512;
/** Of all tags of one image as they are stored: most images have one or two. */
const MAX_TAGS_BYTES = 12 * 1024;
const DIGEST_BYTES = 32;
const SOURCES: ReadonlyMap<number, InventorySource> = new Map([
  [1, 'layers'],
  [2, 'container'],
]);

/** What ImagesInUse says, or what is wrong with it. */
export function parseImages({ images, omitted }: ImagesInUse): ParsedImages | string {
  const list = images ?? [];
  if (list.length > MAX_IMAGES) return `ImagesInUse has more than ${String(MAX_IMAGES)} images`;
  const claims = new Map<string, ImageClaim>();
  for (const { imageId, inventory, source, problem, atRest, names } of list) {
    const digest = digestOf(inventory);
    if (typeof imageId !== 'string' || !isImageId(imageId)) return 'ImagesInUse names something that is no image';
    if (digest === undefined && (inventory?.length ?? 0) > 0) return 'ImagesInUse has a digest that is no SHA-256';
    claims.set(imageId, {
      imageId,
      ...(digest !== undefined && { digest }),
      // What a later version adds is no better than what a container shows.
      source: SOURCES.get(Number(source)) ?? 'container',
      problem: digest === undefined ? cut(problem, MAX_PROBLEM) : '',
      ...(atRest === true && { atRest: tagsOf(names ?? []) }),
    });
  }
  return { claims: [...claims.values()], omitted: count(omitted) };
}

/** The first tags, as many as have room. */
function tagsOf(names: readonly string[]): readonly string[] {
  const tags: string[] = [];
  let bytes = 0;
  for (const name of names.slice(0, MAX_TAGS)) {
    const tag = cut(name, MAX_TAG);
    bytes += Buffer.byteLength(JSON.stringify(tag));
    if (bytes > MAX_TAGS_BYTES) break;
    tags.push(tag);
  }
  return tags;
}

/** The SHA-256 on the wire as hex; undefined if it has another length. */
export function digestOf(bytes: Uint8Array | null | undefined): string | undefined {
  return bytes?.length === DIGEST_BYTES ? Buffer.from(bytes).toString('hex') : undefined;
}

function isImageId(text: string): boolean {
  return text.length <= MAX_NAME && /^[!-~]+$/.test(text);
}

function cut(text: string | null | undefined, maxLength: number): string {
  return (text ?? '').slice(0, maxLength).toWellFormed();
}

/** Numbers for people: what cannot be one reads as 0. */
function count(value: number | null | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
