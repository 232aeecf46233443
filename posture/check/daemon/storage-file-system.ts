import type { StorageRoot } from '../../fact/docker.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { allOf } from '../combine.ts';
import { quote } from '../evidence-text.ts';
import { daemonCheck, unseenReason } from './setting.ts';

export const storageFileSystem = daemonCheck({
  id: 'daemon.storage-file-system',
  title: 'Images and containers are on a file system of their own',
  failTitle: 'Images and containers can fill another file system',
  severity: 'low',
  rationale:
    'A container or a pull that fills the disk stops everything else that needs room on the same file system: logs, updates, logins, the audit trail.',
  remediation:
    'Create a file system for the data root of Docker (and for /var/lib/containerd, where containerd has the images), copy the content while Docker is stopped, and mount it there. A bind mount or a subvolume of the same disk does not separate them.',
  reference: 'https://docs.docker.com/engine/daemon/#daemon-data-directory',
  judge: ({ api, storage }) => {
    if (api.state !== 'seen') return unknownBecause(unseenReason(api));
    if (storage.length === 0) return unknownBecause('the engine does not name its data root');
    return allOf('low', storage.map(judgeRoot));
  },
});

function judgeRoot({ path, mount }: StorageRoot): Judgement {
  if (mount.state !== 'seen') return unknownBecause(unseenReason(mount));
  const { realPath, mountPoint, device, fsType, source, rootDevice, rootSource } = mount.value;
  const evidence = {
    source: mount.source,
    seen: quote(`${realPath}: ${fsType} of ${source} (${device}), mounted at ${mountPoint}`),
    expected: `a file system mounted at ${realPath} that is not that of /`,
  };
  if (device === rootDevice) return fail(`${path} is in the file system of /`, evidence);
  // Subvolumes have a device number of their own and share the room of their pool.
  if (fsType === 'btrfs' && source === rootSource)
    return fail(`${path} is a subvolume of the file system of /`, evidence);
  if (fsType === 'zfs' && poolOf(source) === poolOf(rootSource)) return fail(`${path} is in the pool of /`, evidence);
  return mountPoint === realPath
    ? pass(evidence)
    : fail(`${path} shares its file system with everything else below ${mountPoint}`, evidence);
}

/** `tank/var/docker`: the pool is the first name. */
function poolOf(source: string): string {
  return source.split('/', 1)[0] ?? '';
}
