import type { DockerApi, DockerProcess, StorageRoot } from '../../../posture/fact/docker.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { mountAt } from '../../../posture/check/mount.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import type { MountTable } from '../proc/mount-table.ts';
import { unseen } from '../read-text.ts';
import { readTrusted } from '../trusted-path.ts';

const CONTAINERD_CONFIG = '/etc/containerd/config.toml';
const CONTAINERD_ROOT = '/var/lib/containerd';
const MAX_CONFIG_BYTES = 256 * 1024;

/**
 * The directories in which the engine keeps images and containers, with the file system that each is in: its data root,
 * and the root of containerd where that has the images. `api`: undefined where the engine does not answer.
 */
export async function readStorage(
  access: NodeAccess,
  api: DockerApi | undefined,
  flags: DockerProcess['flags'],
): Promise<readonly StorageRoot[]> {
  if (api === undefined || !api.dataRoot.startsWith('/')) return [];
  // With user namespaces remapped the engine appends `/UID.GID` to the directory that it was given.
  const path = api.dataRoot.replace(/\/\d{1,10}\.\d{1,10}$/, '');
  const mounts = await nodeMounts(access, '1');
  const describe = async (purpose: StorageRoot['purpose'], root: string): Promise<StorageRoot> => {
    const mount = mounts.ok ? await findMount(access.host, mounts.value, root) : unseen(mounts, '/proc/1/mountinfo');
    return { purpose, path: clip(root, 4096), mount };
  };
  const roots = [await describe('engine', path)];
  if (api.imageStore !== 'containerd') return roots;
  // Without --containerd dockerd starts one of its own, which keeps its files in the data root.
  if (flags['containerd'] === undefined) return roots;
  const configured = await readContainerdRoot(access.host);
  if (configured.state === 'seen') return [...roots, await describe('containerd', configured.value)];
  return [...roots, { purpose: 'containerd', path: CONTAINERD_ROOT, mount: configured }];
}

async function findMount(host: Host, table: MountTable, path: string): Promise<StorageRoot['mount']> {
  const stat = await host.stat(path);
  if (!stat.ok) return unseen(stat, path);
  const { realPath } = stat.value;
  const mount = mountAt(table.entries, realPath);
  const root = mountAt(table.entries, '/');
  if (mount === undefined || root === undefined)
    return unreadable('/proc/1/mountinfo', 'it has no mount for this directory');
  return seen(
    {
      realPath: clip(realPath, 4096),
      mountPoint: clip(mount.mountPoint, 4096),
      device: clip(mount.device, 32),
      fsType: clip(mount.fsType, 64),
      source: clip(mount.source, 4096),
      rootDevice: clip(root.device, 32),
      rootSource: clip(root.source, 4096),
    },
    '/proc/1/mountinfo',
  );
}

/** `root = "/…"` before the first table of `config.toml`. Without one: the built-in directory. */
async function readContainerdRoot(host: Host): Promise<Observed<string>> {
  const read = await readTrusted(host, CONTAINERD_CONFIG, MAX_CONFIG_BYTES);
  if (!read.ok)
    return read.code === 'absent' ? seen(CONTAINERD_ROOT, CONTAINERD_CONFIG) : unseen(read, CONTAINERD_CONFIG);
  const [head = ''] = read.value.bytes.toString('utf8').split(/^\s*\[/m);
  // Files that it imports can set it too, and are not read here.
  if (/^\s*imports\s*=/m.test(head)) return unreadable(CONTAINERD_CONFIG, 'it imports other files, which may set root');
  const written = /^\s*root\s*=\s*(?:"([^"\\\n]*)"|'([^'\n]*)')/m.exec(head);
  const root = written?.[1] ?? written?.[2] ?? '';
  if (root === '') return seen(CONTAINERD_ROOT, CONTAINERD_CONFIG);
  return root.startsWith('/')
    ? seen(root, CONTAINERD_CONFIG)
    : unreadable(CONTAINERD_CONFIG, 'its root is a relative path');
}
