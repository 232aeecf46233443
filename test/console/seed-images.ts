import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { buildDatabase } from '../../image/vulndb/build.ts';
import { encodeInventory } from '../../proto/inventory-codec.ts';
import type { Inventory } from '../../vulnerability/package.ts';
import { nodeRow } from '../collector/store/fleet.ts';

/** What is known about an image: an inventory, or why there is none. */
export interface SeededImage {
  readonly name: string;
  /** Names of the nodes that run it, one container on each. */
  readonly nodes: readonly string[];
  readonly inventory?: Inventory;
  readonly problem?: string;
  /** Its tags on nodes where no container runs it. */
  readonly atRest?: readonly string[];
}

/** `sha256:…` of a seeded image. */
export function imageIdOf(name: string): string {
  return `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0')}`;
}

/** Fills the store of a collector that does not run yet: nodes that run these images, and what they say about them. */
export async function seedImages(dataDir: string, images: readonly SeededImage[]): Promise<void> {
  const store = await openSqliteStore({ path: join(dataDir, 'store.sqlite') });
  const nowMs = Date.now();
  for (const nodeName of new Set(images.flatMap(({ nodes }) => nodes))) {
    const own = images.filter(({ nodes }) => nodes.includes(nodeName));
    const containers = own
      .filter(({ atRest }) => atRest === undefined)
      .map(({ name }) => ({
        id: `${nodeName}-${name}`,
        name: `${name}-on-${nodeName}`,
        image: `${name}:1`,
        imageId: imageIdOf(name),
        startedAt: '2026-11-01T08:00:00.000000000Z',
      }));
    await store.putNodes([nodeRow({ id: `id-${nodeName}`, name: nodeName, connected: false, containers })]);
    const encoded = await Promise.all(
      own.flatMap(({ name, inventory }) =>
        inventory === undefined ? [] : [encodeInventory(inventory).then((code) => ({ name, inventory, ...code }))],
      ),
    );
    const claims = own.map(({ name, problem = '', atRest }) => {
      const digest = encoded.find((one) => one.name === name)?.digest;
      const claim = { imageId: imageIdOf(name), source: 'layers', problem } as const;
      return Object.assign(claim, digest !== undefined && { digest }, atRest !== undefined && { atRest });
    });
    await store.images.putClaims(`id-${nodeName}`, claims, { isWhole: true, atMs: nowMs });
    for (const { digest, inventory, bytes } of encoded)
      await store.images.putInventory(digest, inventory, bytes, nowMs);
  }
  await store.close();
}

/** Builds the vulnerability database of a collector from files by name. */
export async function seedDatabase(
  dataDir: string,
  files: Readonly<Record<string, string>>,
  builtAt = Date.now(),
): Promise<void> {
  const from = mkdtempSync(join(tmpdir(), 'plimsoll-advisories-'));
  mkdirSync(dataDir, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(from, name), content);
  const output = join(dataDir, 'vulndb.sqlite');
  const { signal } = new AbortController();
  const built = await buildDatabase({ from: [from], output, builtAt, signal, onProgress: () => undefined });
  rmSync(from, { recursive: true, force: true });
  if (!built.ok) throw new Error(built.problem);
}
