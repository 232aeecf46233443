import type { Settings } from '../../service/config/settings.ts';
import type { LocalObserverOptions } from '../local-observer.ts';
import type { NodeAccess } from '../node-access.ts';
import { createImageReader } from './image-reader.ts';
import { createRestingImages } from './resting-images.ts';

/**
 * What reads the images of a node as the setting `image-inventory` asks: `running` leaves out those that no container
 * runs. `worker` is the entry of the thread that reads them.
 */
export function imageReadersOf(
  { imageInventory, hostRoot }: Pick<Settings, 'imageInventory' | 'hostRoot'>,
  access: NodeAccess,
  worker: URL,
): Pick<LocalObserverOptions, 'imageReader' | 'restingImages'> {
  if (imageInventory === 'off') return {};
  const imageReader = createImageReader({ host: access.host, hostRoot, worker });
  if (imageInventory === 'running') return { imageReader };
  return { imageReader, restingImages: createRestingImages({ access, hostRoot, worker }) };
}
