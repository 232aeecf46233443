import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { MASKABLE_PATHS, SYSCTLS } from '../../../posture/fact/kernel.ts';
import type { KernelFact } from '../../../posture/fact/kernel.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { observeText, readText, unseen } from '../read-text.ts';
import { parseBootParameters } from './boot-parameters.ts';
import { readCoreHelper } from './core-helper.ts';
import { readLsmState } from './lsm-state.ts';
import { cgroupVersion, parseNumber, parseSwitch, parseWords } from './parse.ts';
import { readRouteLocalnet } from './route-localnet.ts';
import { readSysctls } from './sysctls.ts';

const VULNERABILITIES = '/sys/devices/system/cpu/vulnerabilities';

/** The kernel's security state. Nothing of it changes with a file but what SELinux will be after the next boot. */
export const kernelInspector: Inspector<'kernel'> = {
  fact: 'kernel',
  needs: [],
  inspect: inspectKernel,
  watches: () => ['/etc/selinux/config'],
};

async function inspectKernel(access: NodeAccess): Promise<KernelFact> {
  const { host } = access;
  const release = await readText(host, '/proc/sys/kernel/osrelease');
  return {
    release: release.ok ? clip(release.value.trim(), 256) : '',
    ...(await readLsmState(access)),
    seccompActions: await observeText(host, '/proc/sys/kernel/seccomp/actions_avail', parseWords),
    commandLine: await observeText(host, '/proc/cmdline', parseBootParameters),
    sysctls: await readSysctls(host, SYSCTLS),
    cpuVulnerabilities: await readVulnerabilities(host),
    tainted: await observeText(host, '/proc/sys/kernel/tainted', parseNumber),
    moduleSignatureEnforced: await observeText(host, '/sys/module/module/parameters/sig_enforce', parseSwitch),
    coreHelper: await readCoreHelper(host),
    routeLocalnet: await readRouteLocalnet(host),
    capLastCap: await observeText(host, '/proc/sys/kernel/cap_last_cap', parseNumber),
    maskable: await findMaskable(host),
    cgroupVersion: await readCgroupVersion(access),
  };
}

async function findMaskable(host: Host): Promise<KernelFact['maskable']> {
  const found: string[] = [];
  for (const path of MASKABLE_PATHS) {
    const stat = await host.stat(path);
    if (stat.ok) found.push(path);
    else if (stat.code !== 'absent') return unreadable(path, stat.reason);
  }
  return seen(found, '/proc');
}

async function readVulnerabilities(host: Host): Promise<KernelFact['cpuVulnerabilities']> {
  const listed = await host.list(VULNERABILITIES, { maxEntries: 256 });
  if (!listed.ok) return unseen(listed, VULNERABILITIES);
  const found: Record<string, string> = {};
  for (const name of listed.value) {
    const path = `${VULNERABILITIES}/${name}`;
    const read = await readText(host, path, 4096);
    if (!read.ok) return unseen(read, path);
    found[clip(name, 256)] = clip(read.value.trim(), 1024);
  }
  return seen(found, VULNERABILITIES);
}

async function readCgroupVersion(access: NodeAccess): Promise<Observed<number>> {
  let source = '/proc/1/mountinfo';
  let read = await nodeMounts(access, '1');
  if (!read.ok) {
    source = '/proc/self/mountinfo';
    read = await nodeMounts(access, 'self');
  }
  if (!read.ok) return unseen(read, source);
  const found = cgroupVersion(read.value.entries);
  return found === undefined
    ? unreadable(source, 'no cgroup file system is mounted')
    : seen(found.version, found.mountPoint);
}
