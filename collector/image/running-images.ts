import type { EventBus } from '../store/event-bus.ts';
import type { ImageUseSummary, PackagePlace, StoredClaim } from '../store/image-store.ts';
import type { NodeRow, Store } from '../store/store.ts';
import { inTurn } from './fair-order.ts';

/** A running container, as its node reported it last. */
export interface ImageContainer {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly id: string;
  readonly name: string;
  /** Reference that it was started from. */
  readonly image: string;
}

/** Which containers run which image, in memory. */
export interface RunningImages {
  /** Ids of the images of all running containers, those of all nodes in turn. */
  readonly imageIds: () => readonly string[];
  /** Containers of an image, on all nodes or on one. */
  readonly containersOf: (imageId: string, nodeId?: string) => readonly ImageContainer[];
  /** References that containers of the image were started from, at most 16, those of all nodes in turn. */
  readonly namesOf: (imageId: string) => readonly string[];
  /** Where package versions run, cut to what an event can hold. */
  readonly describe: (places: readonly PackagePlace[]) => ImageUseSummary;
}

const MAX_NAMES = 16;
/** Images and containers that an event names. */
const MAX_NAMED_IMAGES = 20;
const MAX_NAMED_CONTAINERS = 50;

/** Follows the nodes of the fleet. Rejects if the store cannot be read. */
export async function followRunningImages(store: Pick<Store, 'nodes'>, eventBus: EventBus): Promise<RunningImages> {
  let ids: readonly string[] | undefined;
  /** By image, then by node. */
  const images = new Map<string, Map<string, readonly ImageContainer[]>>();
  const rows = new Map<string, Pick<NodeRow, 'containers' | 'name'>>();
  const remove = (nodeId: string): void => {
    ids = undefined;
    for (const imageId of new Set(rows.get(nodeId)?.containers.map((container) => container.imageId))) {
      const nodes = images.get(imageId);
      nodes?.delete(nodeId);
      if (nodes?.size === 0) images.delete(imageId);
    }
    rows.delete(nodeId);
  };
  const put = ({ id: nodeId, name: nodeName, containers }: NodeRow): void => {
    const before = rows.get(nodeId);
    // A row is written with each heartbeat; the list stays the same object while nothing changes.
    if (before?.containers === containers && before.name === nodeName) return;
    remove(nodeId);
    rows.set(nodeId, { containers, name: nodeName });
    for (const [imageId, own] of Map.groupBy(containers, (container) => container.imageId)) {
      const nodes = images.get(imageId) ?? new Map<string, readonly ImageContainer[]>();
      images.set(imageId, nodes);
      nodes.set(
        nodeId,
        own.map(({ id, name, image }) => ({ nodeId, nodeName, id, name, image })),
      );
    }
  };
  eventBus.subscribeToNodes((item) => (item.type === 'node' ? put(item.node) : remove(item.nodeId)));
  // What the event bus published in the meantime is newer.
  for (const node of await store.nodes()) if (!rows.has(node.id)) put(node);

  const containersOf = (imageId: string, nodeId?: string): readonly ImageContainer[] => {
    const nodes = images.get(imageId);
    if (nodes === undefined) return [];
    return nodeId === undefined ? [...nodes.values()].flat() : (nodes.get(nodeId) ?? []);
  };
  const namesOf = (imageId: string): readonly string[] => {
    const lists = [...(images.get(imageId)?.values() ?? [])].map((own) => distinctNames(own));
    return inTurn(lists, MAX_NAMES);
  };
  const imageIds = (): readonly string[] => {
    ids ??= inTurn([...rows.values()].map(({ containers }) => containers.map((container) => container.imageId)));
    return ids;
  };
  return {
    imageIds,
    containersOf,
    namesOf,
    describe: (places) => {
      const imageIds = new Set(places.map(({ imageId }) => imageId));
      const affected = distinct(places).flatMap(({ imageId, nodeId }) => containersOf(imageId, nodeId));
      const containers = inTurn(Map.groupBy(affected, ({ nodeId }) => nodeId).values(), MAX_NAMED_CONTAINERS);
      return {
        images: [...imageIds].slice(0, MAX_NAMED_IMAGES).map((id) => ({ id, name: namesOf(id)[0] ?? '' })),
        imageCount: imageIds.size,
        containers: containers.map(({ nodeId, nodeName, id, name }) => ({ nodeId, nodeName, id, name })),
        containerCount: affected.length,
        nodeCount: new Set(affected.map(({ nodeId }) => nodeId)).size,
      };
    },
  };
}

/** Each image and node once: several packages of an image can be affected. A place without a node covers those with one. */
export function distinct(places: readonly PackagePlace[]): readonly Pick<PackagePlace, 'imageId' | 'nodeId'>[] {
  const everywhere = new Set(places.filter(({ nodeId }) => nodeId === undefined).map(({ imageId }) => imageId));
  const single = new Map<string, Pick<PackagePlace, 'imageId' | 'nodeId'>>();
  for (const place of places)
    if (place.nodeId !== undefined && !everywhere.has(place.imageId))
      single.set(`${place.imageId} ${place.nodeId}`, place);
  return [...[...everywhere].map((imageId) => ({ imageId })), ...single.values()];
}

function distinctNames(containers: readonly ImageContainer[]): readonly string[] {
  return [...new Set(containers.map(({ image }) => image))];
}

/** Ids of the images that nodes have: those that run first, and of each kind those of all nodes in turn. */
export function imageIdsOf(
  running: Pick<RunningImages, 'imageIds'>,
  claims: readonly Pick<StoredClaim, 'imageId' | 'nodeId'>[],
): readonly string[] {
  const byNode = Map.groupBy(claims, ({ nodeId }) => nodeId);
  const resting = inTurn([...byNode.values()].map((own) => own.map(({ imageId }) => imageId)));
  return [...new Set([...running.imageIds(), ...resting])];
}
