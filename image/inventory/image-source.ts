import { openDirectoryTree } from './directory-tree.ts';
import type { OpenFileTree } from './file-tree.ts';

/** Where the files of an image are. Plain data: it is handed to the worker. */
export type ImageSource =
  /** A root directory; `mounts` as in `DirectoryTreeOptions`. */
  { readonly kind: 'directory'; readonly path: string; readonly mounts: 'volume' | 'gap' };

/** A tree, or why the source cannot be read at all. */
export type OpenedSource =
  { readonly ok: true; readonly tree: OpenFileTree } | { readonly ok: false; readonly reason: string };

/** Opens the files of an image. A source that cannot be read is a value; throws for bugs only. */
export async function openImageSource(source: ImageSource): Promise<OpenedSource> {
  switch (source.kind) {
    case 'directory':
      return openDirectory(source);
  }
}

function openDirectory({ path, mounts }: Extract<ImageSource, { kind: 'directory' }>): OpenedSource {
  try {
    return { ok: true, tree: openDirectoryTree(path, { mounts }) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { ok: false, reason: `the directory cannot be opened: ${code}` };
  }
}
