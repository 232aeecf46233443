import { seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { observeText, readText, unseen } from '../read-text.ts';
import { JOB_DIRECTORIES, readOpenJobFiles } from './job-files.ts';
import { readKernels, readPermissiveDomains, readRestartRequired } from './kernels.ts';
import { readBootFiles, readConfinement, readFileSystems } from './layout.ts';
import { MODPROBE_DIRECTORIES, readModules } from './modules.ts';
import { readOpenPorts } from './open-ports.ts';
import { readServices } from './services.ts';
import { readUnusualPrograms } from './unusual-programs.ts';
import { readAutomaticUpdates, readBinaryFormats, readJournal, readPreload, readSwap } from './system-files.ts';

/** Compilers and debuggers of packages; who gets into a node with these builds and injects what he needs. */
const DEVELOPMENT_TOOLS = ['as', 'cc', 'clang', 'gcc', 'gdb', 'go', 'ld', 'make', 'rustc', 'strace', 'tcpdump'];
/** systemd-timesyncd.service(8): touched each time a server sets the clock, removed at boot. */
const CLOCK_SET = '/run/systemd/timesync/synchronized';

/** The operating system around the container runtime. */
export const hostInspector: Inspector<'host'> = {
  fact: 'host',
  needs: [],
  inspect: inspectHost,
  watches: () => [
    '/etc/ld.so.preload',
    '/etc/systemd/journald.conf',
    '/etc/systemd/journald.conf.d',
    '/etc/apt/apt.conf',
    '/etc/apt/apt.conf.d',
    '/run/reboot-required',
    ...MODPROBE_DIRECTORIES,
    ...JOB_DIRECTORIES,
  ],
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
    preloadedLibraries: await readPreload(host),
    binaryFormats: await readBinaryFormats(host),
    swap: await readSwap(host),
    journal: await readJournal(host),
    ...(await readServices(access)),
    unusualPrograms: await readUnusualPrograms(access),
    clockSynchronized: await readClock(host),
    automaticUpdates: await readAutomaticUpdates(host),
    developmentTools: await readTools(host),
    bootFiles: await readBootFiles(host),
    fileSystems: await readFileSystems(access),
    daemons: await readConfinement(access),
    openPorts: await readOpenPorts(host),
    openJobFiles: await readOpenJobFiles(host),
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

async function readClock(host: Host): Promise<HostFact['clockSynchronized']> {
  const stat = await host.stat(CLOCK_SET);
  return stat.ok ? seen(true, CLOCK_SET) : unseen(stat, CLOCK_SET);
}

async function readTools(host: Host): Promise<HostFact['developmentTools']> {
  const found: string[] = [];
  for (const name of DEVELOPMENT_TOOLS) {
    const path = `/usr/bin/${name}`;
    const stat = await host.stat(path);
    if (!stat.ok && stat.code !== 'absent') return unreadable(path, stat.reason);
    if (stat.ok) found.push(path);
  }
  return seen(found, '/usr/bin');
}
