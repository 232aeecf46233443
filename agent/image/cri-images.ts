import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { CRI } from '../../proto/cri.ts';
import { imageIdOf } from '../runtime/cri/container.ts';
import type { CriClient } from '../runtime/cri/cri-client.ts';
import type { RootedPath } from './docker-images.ts';
import { toListedImage } from './engine-images.ts';
import type { EngineImages, LocatedImage } from './engine-images.ts';

/** Directory of CRI-O for the images of its storage, which Podman has too. */
const STORAGE_IMAGES = 'overlay-images';
/** Directories of the plugins of containerd, beside each other. */
const SNAPSHOTTER = /^io\.containerd\.snapshotter\./;
const CONTENT = 'io.containerd.content.v1.content';

/**
 * The images of a runtime with the CRI. Those of containerd are located in its content store: the CRI does not say where
 * the layers lie unpacked. Those of CRI-O are located in its storage.
 */
export function createCriImages(engine: string, client: CriClient, rootedPath: RootedPath): EngineImages {
  const locate = async (imageId: string): Promise<LocatedImage> => {
    const info = await client.call(CRI.imageFsInfo, undefined);
    if (!info.ok) return { ok: false, reason: `its layers are not known: ${info.reason}` };
    const place = info.value.imageFilesystems?.[0]?.fsId?.mountpoint ?? '';
    if (!place.startsWith('/')) return { ok: false, reason: 'the runtime does not say where it keeps its images' };
    const root = await rootedPath(dirname(place));
    if (basename(place) === STORAGE_IMAGES) return { ok: true, source: { kind: 'storage', root, imageId } };
    if (!SNAPSHOTTER.test(basename(place)))
      return {
        ok: false,
        reason: 'only images of containerd, and of CRI-O with the driver overlay, are read in place',
      };
    const store = join(root, CONTENT);
    return { ok: true, source: { kind: 'content', store, imageId, temporaryDirectory: tmpdir() } };
  };
  return {
    list: async () => {
      const listed = await client.call(CRI.listImages, undefined);
      if (!listed.ok) return { ok: false, isAbsent: listed.code === 'absent', reason: listed.reason };
      const images = listed.value.map(({ id, repoTags }) =>
        toListedImage(imageIdOf(id), { tags: repoTags ?? [], engine, createdS: 0 }),
      );
      return { ok: true, images: images.filter((image) => image !== undefined) };
    },
    locate,
    has: async (imageId) => {
      const listed = await client.call(CRI.listImages, undefined);
      return listed.ok && listed.value.some(({ id }) => imageIdOf(id) === imageId);
    },
  };
}
