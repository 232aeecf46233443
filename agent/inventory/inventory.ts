import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import type { NodeFact } from '../../posture/fact/node.ts';
import { PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import type { Host } from '../host/host.ts';

/** What the inventory is taken from. */
export interface InventoryOptions {
  readonly host: Host;
  readonly agentVersion: string;
  /** Where a generated id is kept on a machine without `/etc/machine-id`; absent: a new one each time. */
  readonly nodeIdFile?: string | undefined;
  /** Name that the operator chose; otherwise the host name. */
  readonly nodeName?: string | undefined;
}

/** `/etc/machine-id` is 32 hex digits (machine-id(5)); generated ids are UUIDs. */
const MACHINE_ID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/;
const SMALL = { maxBytes: 16 * 1024 };

/** Describes the machine. Files of the node are read through the host port; no process is started. */
export function createInventory(options: InventoryOptions): () => Promise<NodeFact> {
  const { host, agentVersion } = options;
  return async () => {
    const [id, name, operatingSystem, kernelRelease, virtualization, memoryBytes] = await Promise.all([
      nodeId(host, options.nodeIdFile),
      firstLine(host, '/etc/hostname'),
      operatingSystemOf(host),
      firstLine(host, '/proc/sys/kernel/osrelease'),
      hypervisorOf(host),
      totalMemory(),
    ]);
    return {
      id,
      name: options.nodeName || name || os.hostname(),
      operatingSystem,
      kernelRelease: kernelRelease || os.release(),
      architecture: os.machine(),
      cpus: os.availableParallelism(),
      memoryBytes,
      virtualization,
      effectiveUid: process.geteuid?.() ?? 0,
      agentVersion,
    };
  };
}

/**
 * Of systeminformation only `mem` is used: it reads `/proc/meminfo`. `osInfo`, `cpu` and `system` start processes
 * (`cat`, `lscpu`, `dmidecode`), and the agent starts none on the node.
 */
async function totalMemory(): Promise<number> {
  const { default: systeminformation } = await import('systeminformation');
  const { total } = await systeminformation.mem();
  return Number.isSafeInteger(total) ? total : os.totalmem();
}

async function nodeId(host: Host, nodeIdFile: string | undefined): Promise<string> {
  const machineId = await firstLine(host, '/etc/machine-id');
  if (MACHINE_ID.test(machineId)) return machineId;
  if (nodeIdFile === undefined) return randomUUID();
  const kept = await readFile(nodeIdFile, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  if (MACHINE_ID.test(kept)) return kept;
  const made = randomUUID();
  await writeFileAtomic(nodeIdFile, `${made}\n`, PRIVATE_FILE);
  return made;
}

/** NAME and VERSION_ID of os-release(5): lines `KEY=value`, the value possibly quoted. */
async function operatingSystemOf(host: Host): Promise<string> {
  const [etc, usr] = [await host.readFile('/etc/os-release', SMALL), await host.readFile('/usr/lib/os-release', SMALL)];
  const read = etc.ok ? etc : usr;
  if (!read.ok) return os.type();
  const text = read.value.toString('utf8');
  const value = (key: string): string => new RegExp(`^${key}=["']?([^"'\\n]{0,128})`, 'm').exec(text)?.[1] ?? '';
  return `${value('NAME') || os.type()} ${value('VERSION_ID')}`.trim();
}

/** The firmware names the hypervisor that made it (`QEMU`, `Amazon EC2`, `VMware, Inc.`); Xen has a file of its own. */
async function hypervisorOf(host: Host): Promise<string> {
  const xen = await firstLine(host, '/sys/hypervisor/type');
  const vendor = await firstLine(host, '/sys/class/dmi/id/sys_vendor');
  const known = /QEMU|VMware|Microsoft|Amazon EC2|Google|Xen|innotek|Parallels|Bochs|KVM/i.exec(vendor)?.[0];
  return (xen || (known ?? '')).slice(0, 64);
}

async function firstLine(host: Host, path: string): Promise<string> {
  const read = await host.readFile(path, SMALL);
  return read.ok ? (read.value.toString('utf8').split('\n')[0]?.trim().slice(0, 256) ?? '') : '';
}
