import { unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { observeText, readText } from '../read-text.ts';
import { readKernels, readPermissiveDomains, readRestartRequired } from './kernels.ts';
import { readConfinement, readFileSystems } from './layout.ts';
import { MODPROBE_DIRECTORIES, readModules } from './modules.ts';
import { readOpenPorts } from './open-ports.ts';
import { readSwap } from './swap.ts';
import { readBinaryFormats } from './system-files.ts';

/** The operating system around the container runtime. */
export const hostInspector: Inspector<'host'> = {
  fact: 'host',
  needs: [],
  inspect: inspectHost,
  watches: () => ['/run/reboot-required', ...MODPROBE_DIRECTORIES],
};

async function inspectHost(access: NodeAccess): Promise<HostFact> {
  const { host } = access;
  const release = await readText(host, '/proc/sys/kernel/osrelease', 4096);
  return {
    distribution: await readDistribution(host),
    modules: release.ok
      ? await readModules(access, release.value.trim())
      : unreadable('/proc/sys/kernel/osrelease', release.reason),
    kernels: await readKernels(host),
    restartRequired: await readRestartRequired(host),
    permissiveDomains: await readPermissiveDomains(host),
    binaryFormats: await readBinaryFormats(host),
    swap: await readSwap(access),
    fileSystems: await readFileSystems(access),
    daemons: await readConfinement(access),
    openPorts: await readOpenPorts(host),
  };
}

/** `ID=` of os-release(5); empty where it says nothing. */
async function readDistribution(host: Host): Promise<string> {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    const id = await observeText(host, path, (text) => /^ID="?([\w.-]{1,64})"?$/m.exec(text)?.[1], 64 * 1024);
    if (id.state === 'seen') return clip(id.value, 64);
  }
  return '';
}
