import { fromApi, settingCheck } from './setting.ts';

/** Both are gone from current engines; neither has had a fix for years. */
const ABANDONED: ReadonlySet<string> = new Set(['aufs', 'devicemapper']);

export const storageDriver = settingCheck({
  id: 'daemon.storage-driver',
  title: 'The storage driver is a maintained one',
  severity: 'low',
  rationale:
    'aufs never was part of the kernel, and devicemapper was dropped by the engine: flaws in the code that keeps containers apart on disk are no longer mended there.',
  remediation:
    'Move to overlay2: save the images, set "storage-driver": "overlay2" in daemon.json, restart Docker and load them again.',
  reference: 'https://docs.docker.com/engine/storage/drivers/select-storage-driver/',
  rule: {
    flag: 'storage-driver',
    whenUnset: null,
    expected: 'neither aufs nor devicemapper',
    accepts: (values) => values.every((value) => !ABANDONED.has(value)),
    live: (docker) => fromApi(docker, 'Driver', (api) => [api.storageDriver]),
  },
});
