import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** Kernel modules that few hosts need and that had flaws which local users reached. */
export const RARE_MODULES = [
  'cramfs',
  'dccp',
  'hfs',
  'hfsplus',
  'jffs2',
  'rds',
  'sctp',
  'tipc',
  'udf',
  'usb_storage',
] as const;

/** Ports that the fact lists. */
export const MAX_OPEN_PORTS = 1024;

/** The operating system around the container runtime. */
export const hostSchema = s.object(
  {
    distribution: s.string('`ID` of os-release: `debian`, `flatcar` …', 64),
    modules: observed(
      s.list(
        s.object({
          name: s.oneOf(RARE_MODULES, 'name of the module'),
          loaded: s.boolean('true if it is loaded or built in'),
          available: s.boolean('true if the running kernel has it as a module'),
          denied: s.boolean(
            'true if it is not loaded when a program asks for it: by modprobe.d, boot parameters or sysctls',
          ),
        }),
        '',
        RARE_MODULES.length,
      ),
      'kernel modules that few hosts need',
    ),
    kernels: observed(s.list(s.string('release', 256), '', 64), 'installed kernels, `/lib/modules`'),
    restartRequired: observed(s.boolean(), 'the distribution asks for a restart, `/run/reboot-required`'),
    permissiveDomains: observed(
      s.list(s.string('domain, `container_t`', 128), '', 64),
      'SELinux domains that are not enforced, from installed policy modules; absent: no SELinux policy',
    ),
    binaryFormats: observed(
      s.list(
        s.object({
          name: s.string('name of the handler', 256),
          interpreter: s.string('program that runs such files', 4096),
          flags: s.string('`C`: with the rights of the file; `F`: opened when it was registered', 16),
        }),
        '',
        64,
      ),
      'handlers of binfmt_misc; absent: none can be registered',
    ),
    swap: observed(
      s.list(
        s.object({
          path: s.string('device or file', 4096),
          protected: s.boolean(
            'true if nothing of it reaches a disk in the clear: encrypted, also below it, or memory (zram)',
          ),
        }),
        '',
        64,
      ),
      'swap areas in use, `/proc/swaps`',
    ),
    fileSystems: observed(
      s.list(
        s.object({
          path: s.string('directory', 256),
          mountPoint: s.string('where the file system that holds it is mounted', 4096),
          isRoot: s.boolean('true if that is the root file system, whatever part of it is mounted there'),
        }),
        '',
        16,
      ),
      'file systems of directories that fill up',
    ),
    daemons: observed(
      s.list(
        s.object({
          pid: s.integer('process id'),
          name: s.string('`containerd`', 64),
          label: observed(s.string('', 256), 'label of the security module, `/proc/PID/attr/current`'),
          noNewPrivileges: s.boolean('true if it cannot gain privileges'),
          seccomp: s.boolean('true if a filter restricts its system calls'),
        }),
        '',
        32,
      ),
      'container runtimes, kubelet and sshd as the kernel confines them',
    ),
    openPorts: observed(
      s.object({
        ports: s.list(
          s.object({
            port: s.integer('TCP port number'),
            addresses: s.list(s.string('bound address, `0.0.0.0`, `::`', 64), 'at most 8 of them, sorted', 8),
          }),
          'by number',
          MAX_OPEN_PORTS,
        ),
        more: s.integer('open ports beyond those of the list'),
      }),
      'TCP ports with a listening socket in the network of the node that is not bound to loopback',
    ),
  },
  'the operating system around the container runtime',
);
/** See {@link hostSchema}. */
export type HostFact = s.Infer<typeof hostSchema>;
