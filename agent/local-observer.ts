import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import { createImageInventories } from './image/image-inventories.ts';
import type { ImageReader } from './image/image-reader.ts';
import type { RestingImages } from './image/resting-images.ts';
import { readLabels } from './inspector/container/labels.ts';
import { readSysctlsOnDemand } from './inspector/kernel/sysctls.ts';
import type { NodeAccess } from './node-access.ts';
import type { NodeObserver, Observation, ObservationOptions } from './node-observer.ts';
import { createNodeStatusReader } from './status/read-node-status.ts';
import { watchNode } from './watch/watch-node.ts';

/** What a local observer works with. */
export interface LocalObserverOptions {
  readonly access: NodeAccess;
  /** Reads the images of running containers. Absent: no inventories are taken. */
  readonly imageReader?: ImageReader | undefined;
  /** Reads images that no container runs. Absent: they are not read. */
  readonly restingImages?: RestingImages | undefined;
  readonly sweepIntervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** An observer that reads the node in this process. */
export function createLocalObserver(observer: LocalObserverOptions): NodeObserver {
  const { access, imageReader, restingImages: resting, ...options } = observer;
  return {
    source: access.runtime.endpoint,
    inventory: access.inventory,
    watch: (observation) => {
      const { onChange, pace, onImages } = observation;
      const watched = { ...options, access, pace, random: Math.random };
      if (imageReader === undefined || onImages === undefined) return watchNode({ ...watched, onChange });
      return watchWithImages({ reader: imageReader, resting }, { ...watched, onChange, onImages });
    },
    nodeStatus: createNodeStatusReader({ ...access, clock: options.clock }),
    readLabels: () => readLabels(access),
    readSysctls: (names) => readSysctlsOnDemand(access.host, names),
    usage: () => ({ rssBytes: 0, cpuMs: 0 }),
  };
}

function watchWithImages(
  images: { readonly reader: ImageReader; readonly resting: RestingImages | undefined },
  options: Parameters<typeof watchNode>[0] & Required<Pick<ObservationOptions, 'onImages'>>,
): Observation {
  const { onChange, onImages, ...rest } = options;
  const inventories = createImageInventories({ ...rest, ...images, onChange: onImages });
  const watch = watchNode({
    ...rest,
    onChange: (facts, change) => {
      onChange(facts, change);
      inventories.update(facts);
    },
  });
  return { ...watch, done: Promise.all([watch.done, inventories.done]).then(() => undefined) };
}
