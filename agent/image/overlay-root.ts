import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { Host } from '../host/host.ts';
import { parseMountinfo } from '../inspector/proc/mountinfo.ts';
import type { MountEntry } from '../inspector/proc/mountinfo.ts';
import { MAX_MOUNTINFO_BYTES } from '../inspector/proc/node-mounts.ts';

/** The overlay that is the root of a container. */
export interface OverlayRoot {
  /** Where the engine mounted it: without the volumes of the container. */
  readonly merged: string;
  /** What the container changed. */
  readonly upper: string;
  /** The layers of the image, the newest first. */
  readonly lower: readonly string[];
}

/**
 * Finds the overlay of a container in the mount table of pid 1, with paths as this process sees them. Undefined: its root
 * is of another kind, or cannot be seen.
 */
export async function findOverlayRoot(
  { mounts }: Pick<ContainerFact, 'mounts'>,
  { host, hostRoot }: { readonly host: Host; readonly hostRoot: string },
): Promise<OverlayRoot | undefined> {
  if (mounts.state !== 'seen') return undefined;
  // The last one covers those before it.
  const root = mounts.value.findLast(({ mountPoint }) => mountPoint === '/');
  if (root?.fsType !== 'overlay') return undefined;
  const read = await host.readFile('/proc/1/mountinfo', { maxBytes: MAX_MOUNTINFO_BYTES });
  if (!read.ok) return undefined;
  // A mount in the namespace of the node is one that the engine made. What a container mounts does not appear there.
  const mounted = parseMountinfo(read.value.toString('utf8')).find(
    (entry) => entry.device === root.device && entry.fsType === 'overlay' && entry.root === '/',
  );
  const overlay = mounted === undefined ? undefined : overlayOf(mounted);
  return overlay === undefined ? undefined : seenFromHere(overlay, root.device, hostRoot);
}

/**
 * The parts of an overlay, overlayfs.rst: `lowerdir=/a:/b,upperdir=/c`, newer kernels `lowerdir+=/a,lowerdir+=/b`. A colon,
 * comma or backslash within a path has a backslash before it. Undefined where a path is relative, which only the engine
 * that mounted it can resolve.
 */
export function overlayOf({
  mountPoint,
  superOptions,
}: Pick<MountEntry, 'mountPoint' | 'superOptions'>): OverlayRoot | undefined {
  const lower: string[] = [];
  let upper = '';
  const text = superOptions.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  for (const option of text.split(/(?<!\\),/)) {
    const [, name, value = ''] = /^(lowerdir|upperdir)\+?=(.*)$/s.exec(option) ?? [];
    if (name === 'upperdir') upper = plain(value);
    // After `::` come layers that only hold data of files.
    else if (name === 'lowerdir') lower.push(...(value.split('::')[0] ?? '').split(/(?<!\\):/).map(plain));
  }
  if (upper === '' || lower.length === 0) return undefined;
  return [upper, ...lower].every((path) => path.startsWith('/')) ? { merged: mountPoint, upper, lower } : undefined;
}

function plain(path: string): string {
  return path.replaceAll(/\\(.)/g, '$1');
}

/**
 * Where this process sees the overlay: below the root directory of the node, or in the mount namespace of pid 1. Undefined:
 * neither shows this overlay.
 */
async function seenFromHere(
  { merged, upper, lower }: OverlayRoot,
  device: string,
  hostRoot: string,
): Promise<OverlayRoot | undefined> {
  for (const root of [hostRoot, join(hostRoot, 'proc/1/root')]) {
    try {
      const { dev } = await stat(join(root, merged));
      if (deviceText(dev) !== device) continue;
      return { merged: join(root, merged), upper: join(root, upper), lower: lower.map((path) => join(root, path)) };
    } catch {
      // The next one may show it.
    }
  }
  return undefined;
}

/** `major:minor` as mountinfo has it: makedev(3). */
function deviceText(dev: number): string {
  const bits = BigInt(dev);
  const major = ((bits >> 32n) & 0xfffff000n) | ((bits >> 8n) & 0xfffn);
  const minor = ((bits >> 12n) & 0xffffff00n) | (bits & 0xffn);
  return `${String(major)}:${String(minor)}`;
}
