import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { unseen } from '../read-text.ts';

const MODULES = '/lib/modules';
const MAX_KERNELS = 64;
const RESTART = ['/run/reboot-required', '/run/needs_restarting', '/run/reboot-needed'];

/** The releases of installed kernels: directories of modules that have an index. */
export async function readKernels(host: Host): Promise<HostFact['kernels']> {
  const listed = await host.list(MODULES, { maxEntries: MAX_KERNELS });
  if (!listed.ok) return unseen(listed, MODULES);
  const kernels: string[] = [];
  for (const name of listed.value) {
    // What a removed package leaves behind has no index.
    const index = await host.stat(`${MODULES}/${name}/modules.dep`);
    if (!index.ok && index.code !== 'absent') return unreadable(`${MODULES}/${name}`, index.reason);
    if (index.ok) kernels.push(clip(name, 256));
  }
  return seen(kernels, MODULES);
}

/** Debian and Ubuntu leave a file when an update needs a restart. */
export async function readRestartRequired(host: Host): Promise<HostFact['restartRequired']> {
  for (const path of RESTART) {
    const stat = await host.stat(path);
    if (stat.ok) return seen(true, path);
    if (stat.code !== 'absent') return unreadable(path, stat.reason);
  }
  return absent(RESTART[0] ?? '');
}

const POLICIES = '/var/lib/selinux';
const DOMAIN = /^permissive_(\w{1,128})$/;

/**
 * Domains that `semanage permissive -a` made permissive: it installs a policy module `permissive_DOMAIN` for each, which
 * stays in force over restarts.
 */
export async function readPermissiveDomains(host: Host): Promise<HostFact['permissiveDomains']> {
  const policies = await host.list(POLICIES, { maxEntries: 16 });
  if (!policies.ok) return unseen(policies, POLICIES);
  const domains = new Set<string>();
  for (const policy of policies.value) {
    const directory = `${POLICIES}/${policy}/active/modules`;
    const priorities = await host.list(directory, { maxEntries: 64 });
    if (!priorities.ok && priorities.code !== 'absent') return unreadable(directory, priorities.reason);
    for (const priority of priorities.ok ? priorities.value : []) {
      if (!/^\d{1,4}$/.test(priority)) continue;
      const modules = await host.list(`${directory}/${priority}`);
      if (!modules.ok && modules.code !== 'absent') return unreadable(`${directory}/${priority}`, modules.reason);
      for (const module of modules.ok ? modules.value : []) {
        const domain = DOMAIN.exec(module)?.[1];
        if (domain !== undefined) domains.add(domain);
      }
    }
  }
  return seen([...domains].slice(0, 64), POLICIES);
}
