import { fromApi, settingCheck } from './setting.ts';

/** Both are gone from current engines; neither has had a fix for years. */
const ABANDONED: ReadonlySet<string> = new Set(['aufs', 'devicemapper']);

export const storageDriver = settingCheck({
  id: 'daemon.storage-driver',
  title: 'Storage driver is maintained',
  failTitle: 'Storage driver is no longer maintained',
  severity: 'low',
  rationale:
    'aufs was never part of the kernel, and the engine dropped devicemapper: flaws in the code that separates containers on disk are no longer fixed.',
  remediation:
    'Move to overlay2: save the images, copy the data of volumes (rsync -aHAX) and what stopped containers hold (docker export), set "storage-driver": "overlay2" in daemon.json, restart Docker and load them again. What is not saved is not visible afterwards.',
  reference: 'https://docs.docker.com/engine/storage/drivers/select-storage-driver/',
  rule: {
    flag: 'storage-driver',
    whenUnset: null,
    problem: 'the storage driver receives no fixes',
    expected: 'neither aufs nor devicemapper',
    accepts: (values) => values.every((value) => !ABANDONED.has(value)),
    live: (docker) => fromApi(docker, 'Driver', (api) => [api.storageDriver]),
  },
});
