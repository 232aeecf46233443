import { openArchiveTree } from './archive/archive-tree.ts';
import { findDockerLayers, readDockerLayers } from './docker-layers.ts';
import { openDirectoryTree } from './directory-tree.ts';
import { FileTreeError } from './file-tree.ts';
import type { OpenFileTree } from './file-tree.ts';
import { openLayerTree } from './layer-tree.ts';

/** Where the files of an image are. Plain data: it is handed to the worker. */
export type ImageSource =
  /** A root directory; `mounts` as in `DirectoryTreeOptions`. */
  | { readonly kind: 'directory'; readonly path: string; readonly mounts: 'volume' | 'gap' }
  /** The layers of an image in the data directory of dockerd, as in `findDockerLayers`; `diffIds` oldest first. */
  | { readonly kind: 'docker'; readonly dataRoot: string; readonly diffIds: readonly string[] }
  /** A tar file or directory, as in `openArchiveTree`; `name` chooses one of several images. */
  | {
      readonly kind: 'archive';
      readonly path: string;
      readonly temporaryDirectory: string;
      readonly name?: string;
    };

/** A tree, or why the source cannot be read at all. */
export type OpenedSource =
  | {
      readonly ok: true;
      readonly tree: OpenFileTree;
      readonly imageId?: string;
      /** Asked after the tree was read: why what was read may not be the image; undefined: it is. */
      readonly findChange?: () => string | undefined;
    }
  | { readonly ok: false; readonly reason: string };

/** What opening reports and asks. */
export interface OpeningCalls {
  readonly isExpired: () => boolean;
  readonly onLayer: (layers: number, ofLayers: number) => void;
}

/** Opens the files of an image. A source that cannot be read is a value; throws for bugs only. */
export async function openImageSource(source: ImageSource, calls: OpeningCalls): Promise<OpenedSource> {
  switch (source.kind) {
    case 'directory':
      return open(() => openDirectoryTree(source.path, { mounts: source.mounts }));
    case 'docker':
      return openDockerLayers(source.dataRoot, source.diffIds);
    case 'archive': {
      const { path, temporaryDirectory, name } = source;
      return openArchiveTree(path, {
        temporaryDirectory,
        ...(name !== undefined && { name }),
        isExpired: calls.isExpired,
        onProgress: calls.onLayer,
      });
    }
  }
}

async function openDockerLayers(dataRoot: string, diffIds: readonly string[]): Promise<OpenedSource> {
  const found = findDockerLayers(dataRoot, diffIds);
  if (!found.ok) return found;
  const located = await readDockerLayers(found.layers);
  if (!located.ok) return located;
  const opened = open(() => openLayerTree(located.layers));
  if (!opened.ok) return opened;
  return {
    ...opened,
    findChange: () => {
      const after = findDockerLayers(dataRoot, diffIds);
      const isSame = after.ok && after.layers.every(({ identity }, at) => identity === found.layers[at]?.identity);
      return isSame ? undefined : 'the image was deleted while it was read';
    },
  };
}

function open(make: () => OpenFileTree): OpenedSource {
  try {
    return { ok: true, tree: make() };
  } catch (error) {
    if (error instanceof FileTreeError) return { ok: false, reason: error.message };
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { ok: false, reason: `the directory cannot be opened: ${code}` };
  }
}
