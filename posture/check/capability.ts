/** Names by bit number, without CAP_, as in Linux `include/uapi/linux/capability.h`. */
export const CAPABILITY_NAMES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
] as const;

/** Highest capability of Linux since 5.9, CAP_CHECKPOINT_RESTORE: where `cap_last_cap` could not be read. */
export const LAST_CAPABILITY = 40;

/** What Docker and containerd give a container that asks for nothing: moby `oci/caps/defaults.go`. */
export const DOCKER_DEFAULT: ReadonlySet<string> = new Set([
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
]);

/**
 * Names in a capability word of `/proc/PID/status` (`00000000a80425fb`), by rising bit; a bit that has no name yet is
 * `CAP_41`. Undefined where the word is not hexadecimal.
 */
export function capabilityNames(word: string): readonly string[] | undefined {
  if (!/^[0-9a-f]{1,32}$/i.test(word)) return undefined;
  const names: string[] = [];
  // Digit by digit, the last one first: a word has more bits than a double is exact for.
  for (let at = word.length - 1, bit = 0; at >= 0; at -= 1, bit += 4) {
    const digit = Number.parseInt(word.charAt(at), 16);
    for (let offset = 0; offset < 4; offset += 1)
      if ((digit & (1 << offset)) !== 0) names.push(CAPABILITY_NAMES[bit + offset] ?? `CAP_${String(bit + offset)}`);
  }
  return names;
}

/** Those of `names` that Docker does not give by default. */
export function beyondDefault(names: readonly string[]): readonly string[] {
  return names.filter((name) => !DOCKER_DEFAULT.has(name));
}

/** How many capabilities a kernel whose highest is `lastCapability` has beyond Docker's default. */
export function countBeyondDefault(lastCapability: number): number {
  return Math.max(0, lastCapability + 1 - DOCKER_DEFAULT.size);
}

/**
 * Do `names` amount to every capability of a kernel whose highest is `lastCapability`? A host may lack some itself (a
 * virtual machine without CAP_SYS_RESOURCE), which its privileged containers lack too. Nobody requests by name three
 * quarters of what Docker withholds with CAP_SYS_ADMIN.
 */
export function isNearlyAll(names: readonly string[], lastCapability: number): boolean {
  const excess = beyondDefault(names);
  return excess.includes('SYS_ADMIN') && excess.length >= 0.75 * countBeyondDefault(lastCapability);
}

/** A capability as {@link CAPABILITY_NAMES} has it, from `cap_net_admin`, `CAP_NET_ADMIN` or `NET_ADMIN`. */
export function plainName(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}
