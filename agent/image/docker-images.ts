import { dockerDiffIds } from '../../image/inventory/docker-layers.ts';
import type { DockerModem } from '../runtime/docker/modem.ts';
import { askEngine, dataRootOf, IMAGE, IMAGE_LIST } from './docker-image.ts';
import { toListedImage } from './engine-images.ts';
import type { EngineImages, LocatedImage } from './engine-images.ts';

/** Where this process sees a directory of the node. */
export type RootedPath = (path: string) => Promise<string>;

/** The images of an engine with the Docker API: those of dockerd with overlay2, and of Podman with overlay, are located. */
export function createDockerImages(engine: string, modem: DockerModem, rootedPath: RootedPath): EngineImages {
  const pathOf = (imageId: string): string => `/images/${imageId}/json`;
  const locate = async (imageId: string): Promise<LocatedImage> => {
    const [root, image] = [await dataRootOf(modem), await askEngine(modem, pathOf(imageId), IMAGE)];
    if (!root.ok) return root;
    if (!image.ok) return { ok: false, reason: `its layers are not known: ${image.reason}` };
    const dataRoot = await rootedPath(root.dataRoot);
    if (root.driver === 'overlay') return { ok: true, source: { kind: 'storage', root: dataRoot, imageId } };
    // What the engine says of an image has to be the image of this id.
    const found = dockerDiffIds(dataRoot, imageId);
    if (!found.ok) return { ok: false, reason: `its layers are not known: ${found.reason}` };
    const { diffIds } = found;
    if (diffIds.length === 0) return { ok: false, reason: 'it has no layers' };
    return { ok: true, source: { kind: 'docker', dataRoot, diffIds } };
  };
  return {
    list: async () => {
      const listed = await askEngine(modem, '/images/json', IMAGE_LIST);
      if (!listed.ok) return { ok: false, isAbsent: listed.code === 'absent', reason: listed.reason };
      const images = listed.value.map(({ Id, RepoTags, Created }) =>
        toListedImage(Id, { tags: RepoTags, engine, createdS: Created }),
      );
      return { ok: true, images: images.filter((image) => image !== undefined) };
    },
    locate,
    has: async (imageId) => (await askEngine(modem, pathOf(imageId), IMAGE)).ok,
  };
}
