import type { Host } from '../host/host.ts';

// What hypervisors write into the vendor and product of the machine they show (as systemd-detect-virt(1) knows them).
const BY_DMI: readonly (readonly [string, string])[] = [
  ['Amazon EC2', 'amazon'],
  ['QEMU', 'qemu'],
  ['KVM', 'kvm'],
  ['OpenStack', 'kvm'],
  ['Google Compute Engine', 'google'],
  ['VMware', 'vmware'],
  ['VMW', 'vmware'],
  ['innotek GmbH', 'oracle'],
  ['VirtualBox', 'oracle'],
  ['Oracle Corporation', 'oracle'],
  ['Xen', 'xen'],
  ['Bochs', 'bochs'],
  ['Parallels', 'parallels'],
  ['BHYVE', 'bhyve'],
  ['Microsoft Corporation Virtual Machine', 'microsoft'],
  ['Apple Virtualization', 'apple'],
];

// One block of /proc/cpuinfo has some 1.5 KB; a machine with a thousand processors stays below this.
const MAX_CPUINFO_BYTES = 4 * 1024 * 1024;

/**
 * The hypervisor that the machine runs on, by its systemd-detect-virt name; `vm-other` where there is one that does not
 * say which; empty on bare metal, or where nothing shows.
 */
export async function detectVirtualization(host: Host): Promise<string> {
  const hypervisor = await textOf(host, '/sys/hypervisor/type');
  if (hypervisor !== '') return hypervisor.slice(0, 64);
  const vendor = await textOf(host, '/sys/class/dmi/id/sys_vendor');
  const product = await textOf(host, '/sys/class/dmi/id/product_name');
  const known = BY_DMI.find(([words]) => `${vendor} ${product}`.includes(words));
  if (known !== undefined) return known[1];
  // x86 processors say that they run under a hypervisor (CPUID leaf 1, ECX bit 31).
  const cpuinfo = await textOf(host, '/proc/cpuinfo', MAX_CPUINFO_BYTES);
  return /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo) ? 'vm-other' : '';
}

async function textOf(host: Host, path: string, maxBytes = 4096): Promise<string> {
  const read = await host.readFile(path, { maxBytes });
  return read.ok ? read.value.toString('utf8').trim() : '';
}
