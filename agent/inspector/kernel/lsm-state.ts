import { absent, mapObserved, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { KernelFact } from '../../../posture/fact/kernel.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { observeText, readText, unseen } from '../read-text.ts';
import {
  parseApparmorProfiles,
  parseEnforce,
  parseLockdown,
  parseLsm,
  parseNumber,
  parseSecureBoot,
  parseSelinuxConfig,
  parseSwitch,
} from './parse.ts';

const SECURITYFS = '/sys/kernel/security';
const EFI_VARIABLES = '/sys/firmware/efi/efivars';
const SECURE_BOOT = `${EFI_VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
/** UEFI 2.10, 32.3: with 1 the firmware accepts new keys from everybody. */
const SETUP_MODE = `${EFI_VARIABLES}/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
/** 1: shim starts unsigned kernels (mokutil --disable-validation). */
const SHIM_INSECURE = `${EFI_VARIABLES}/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23`;
/** First bit of the attributes that come before the value. */
const EFI_VARIABLE_NON_VOLATILE = 1;
const MAX_PROFILE_BYTES = 4 * 1024 * 1024;

/** What the kernel says about its security modules and how it was booted. */
export type LsmState = Pick<
  KernelFact,
  | 'lsm'
  | 'lockdown'
  | 'selinux'
  | 'selinuxConfigured'
  | 'selinuxCheckreqprot'
  | 'imaMeasures'
  | 'imaViolations'
  | 'apparmor'
  | 'apparmorProfiles'
  | 'secureBoot'
>;

/** Reads the state of the security modules. */
export async function readLsmState(access: NodeAccess): Promise<LsmState> {
  const { host } = access;
  const lsm = await readSecurityFile(host, 'lsm', parseLsm);
  const [lockdown, selinux, selinuxConfigured, apparmor, apparmorProfiles, secureBoot] = await Promise.all([
    readSecurityFile(host, 'lockdown', parseLockdown),
    readSelinux(host, lsm),
    observeText(host, '/etc/selinux/config', parseSelinuxConfig),
    observeText(host, '/sys/module/apparmor/parameters/enabled', parseSwitch),
    readSecurityFile(host, 'apparmor/profiles', parseApparmorProfiles, MAX_PROFILE_BYTES),
    readSecureBoot(access),
  ]);
  // The first entry is the aggregate of the boot, which exists with every policy.
  const count = await readSecurityFile(host, 'ima/runtime_measurements_count', parseNumber);
  return {
    lsm,
    lockdown,
    selinux,
    selinuxConfigured,
    selinuxCheckreqprot: await observeText(host, '/sys/fs/selinux/checkreqprot', parseSwitch),
    imaMeasures: mapObserved(count, (entries) => entries > 1),
    imaViolations: await readSecurityFile(host, 'ima/violations', parseNumber),
    apparmor,
    apparmorProfiles,
    secureBoot,
  };
}

/** A file of securityfs. Where that is not mounted the directory is empty, which says nothing about the kernel. */
async function readSecurityFile<T>(
  host: Host,
  name: string,
  parse: (text: string) => T | undefined,
  maxBytes?: number,
): Promise<Observed<T>> {
  const path = `${SECURITYFS}/${name}`;
  const observed = await observeText(host, path, parse, maxBytes);
  if (observed.state !== 'absent') return observed;
  const listed = await host.list(SECURITYFS);
  if (listed.ok && listed.value.length > 0) return observed;
  if (!listed.ok && listed.code !== 'absent') return unreadable(path, listed.reason);
  return unreadable(path, `securityfs is not mounted at ${SECURITYFS}`);
}

/** Without selinuxfs: is SELinux off, or only its file system not mounted here? */
async function readSelinux(host: Host, lsm: KernelFact['lsm']): Promise<KernelFact['selinux']> {
  const path = '/sys/fs/selinux/enforce';
  const mode = await observeText(host, path, parseEnforce);
  if (mode.state !== 'absent') return mode;
  const hidden = 'SELinux is active, but selinuxfs is not mounted at /sys/fs/selinux';
  if (lsm.state === 'seen') return lsm.value.includes('selinux') ? unreadable(path, hidden) : absent(path);
  // The file system is registered only by an SELinux that was switched on at boot.
  const fileSystems = await readText(host, '/proc/filesystems');
  if (!fileSystems.ok) return unreadable(path, fileSystems.reason);
  return fileSystems.value.includes('\tselinuxfs\n') ? unreadable(path, hidden) : absent(path);
}

/** Whether setup mode or shim makes Secure Boot ineffective, as drivers/firmware/efi/libstub of the kernel decides. */
async function readExceptions(host: Host): Promise<Observed<boolean>> {
  for (const path of [SETUP_MODE, SHIM_INSECURE]) {
    const read = await host.readFile(path, { maxBytes: 64 });
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unreadable(path, read.reason);
    const value = parseSecureBoot(read.value);
    if (value === undefined) return unreadable(path, 'its content is not understood');
    // A variable that outlives a restart was not made by shim, so the kernel passes over it.
    const isOfSystem = path === SHIM_INSECURE && ((read.value[0] ?? 0) & EFI_VARIABLE_NON_VOLATILE) !== 0;
    if (value && !isOfSystem) return seen(false, path);
  }
  return seen(true, SECURE_BOOT);
}

async function readSecureBoot(access: NodeAccess): Promise<Observed<boolean>> {
  const { host } = access;
  const read = await host.readFile(SECURE_BOOT);
  if (read.ok) {
    const value = parseSecureBoot(read.value);
    if (value === undefined) return unreadable(SECURE_BOOT, 'its content is not understood');
    return value ? readExceptions(host) : seen(false, SECURE_BOOT);
  }
  if (read.code !== 'absent') return unseen(read, SECURE_BOOT);
  const efi = await host.stat('/sys/firmware/efi');
  if (efi.ok) {
    const variables = await host.list(EFI_VARIABLES);
    // Firmware that cannot do Secure Boot has other variables, but not this one.
    if (variables.ok && variables.value.length > 0) return seen(false, SECURE_BOOT);
    return unreadable(SECURE_BOOT, 'efivarfs is not mounted at /sys/firmware/efi/efivars');
  }
  // In a container the directory is covered: empty there does not mean that the machine booted by BIOS.
  const mounts = await nodeMounts(access, 'self');
  const isMasked = mounts.ok && mounts.value.entries.some(({ mountPoint }) => mountPoint === '/sys/firmware');
  if (isMasked) return unreadable(SECURE_BOOT, '/sys/firmware is masked in this container');
  return efi.code === 'absent' ? absent('/sys/firmware/efi') : unreadable('/sys/firmware/efi', efi.reason);
}
