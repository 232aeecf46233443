import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';

/** Where a copy belongs: the kind of file, the configured path, and the name of the file. */
export interface KeptFile {
  readonly kind: string;
  readonly root: string;
  readonly name: string;
}

/**
 * Copies of files as they were read last without a problem, so that a file that is broken at the next start still says
 * what it said before.
 */
export interface KeptAnnotations {
  /** Rejects with the error of the file system. */
  readonly put: (file: KeptFile, text: string) => Promise<void>;
  /** Undefined: there is no copy, or it cannot be read. */
  readonly read: (file: KeptFile, maxBytes: number) => Promise<string | undefined>;
  /** Names of the copies of a configured path. */
  readonly names: (of: Omit<KeptFile, 'name'>) => Promise<readonly string[]>;
  /** Removes the copies of files that a configured path does not have any more. */
  readonly retain: (of: Omit<KeptFile, 'name'>, names: ReadonlySet<string>) => Promise<void>;
}

/** Copies in a directory of their own below `directory`, which need not exist. */
export function createKeptAnnotations(directory: string): KeptAnnotations {
  const folder = ({ kind, root }: Omit<KeptFile, 'name'>): string =>
    join(directory, `${kind}-${createHash('sha256').update(root).digest('hex').slice(0, 32)}`);
  const names = async (of: Omit<KeptFile, 'name'>): Promise<readonly string[]> =>
    (await readdir(folder(of)).catch(() => [])).filter((name) => !name.endsWith('.tmp')).sort();
  return {
    put: async (file, text) => {
      await makePrivateDirectory(folder(file));
      await writeFileAtomic(join(folder(file), file.name), text, PRIVATE_FILE);
    },
    read: async (file, maxBytes) => {
      const read = await readBoundedText(join(folder(file), file.name), maxBytes);
      return read.ok ? read.text : undefined;
    },
    names,
    retain: async (of, wanted) => {
      for (const name of await names(of)) if (!wanted.has(name)) await rm(join(folder(of), name), { force: true });
    },
  };
}
