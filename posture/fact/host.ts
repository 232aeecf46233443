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

/** A program of the node that is of interest by its name. */
export const hostProcessSchema = s.object({
  pid: s.integer('process id'),
  name: s.string('name of the program', 64),
  executable: s.string('path of the program', 4096),
});
/** See {@link hostProcessSchema}. */
export type HostProcess = s.Infer<typeof hostProcessSchema>;

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
          denied: s.boolean('true if modprobe is configured not to load it'),
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
    preloadedLibraries: observed(s.list(s.string('', 256), '', 16), '`/etc/ld.so.preload`'),
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
          protected: s.boolean('true if it is encrypted or compressed memory (zram)'),
        }),
        '',
        64,
      ),
      'swap areas in use, `/proc/swaps`',
    ),
    journal: observed(
      s.oneOf(['persistent', 'volatile', 'none'], 'where journald keeps the log'),
      'absent: journald does not run',
    ),
    logForwarders: observed(s.list(hostProcessSchema, '', 32), 'programs that send or keep logs'),
    timeServices: observed(s.list(hostProcessSchema, '', 32), 'programs that set the clock'),
    clockSynchronized: observed(s.boolean(), 'systemd-timesyncd has set the clock since boot'),
    remoteServices: observed(
      s.list(hostProcessSchema, '', 64),
      'programs that give a shell or a desktop over the network, beside sshd',
    ),
    automaticLogins: observed(s.list(hostProcessSchema, '', 32), 'terminals that log in without a password'),
    unusualPrograms: observed(
      s.list(
        s.object({
          pid: s.integer('process id'),
          executable: s.string('path of the program, as the kernel shows it', 4096),
          kind: s.oneOf(
            ['memory', 'temporary', 'deleted'],
            'memory: a file without a name; temporary: in a directory for temporary files; deleted: the file was removed or replaced',
          ),
        }),
        '',
        64,
      ),
      'processes outside containers whose program is not an installed file',
    ),
    automaticUpdates: observed(s.string('what installs updates', 256), 'absent: nothing is enabled'),
    developmentTools: observed(s.list(s.string('path', 256), '', 32), 'compilers and debuggers that are installed'),
    bootFiles: observed(
      s.list(
        s.object({
          path: s.string('file', 4096),
          mode: s.shownAs('mode', s.integer('permission bits')),
          uid: s.integer('owner'),
          gid: s.integer('group'),
          password: s.boolean('true if changes at boot need a password'),
        }),
        '',
        8,
      ),
      'configuration of GRUB; absent: there is none',
    ),
    fileSystems: observed(
      s.list(
        s.object({
          path: s.string('directory', 256),
          mountPoint: s.string('where the file system that holds it is mounted', 4096),
          options: s.string('options of that mount: `rw,nosuid,nodev`', 1024),
        }),
        '',
        16,
      ),
      'file systems of directories that many programs write to',
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
    openJobFiles: observed(
      s.list(
        s.object({ path: s.string('file or directory', 4096), reason: s.string('who can change it', 256) }),
        '',
        64,
      ),
      'units, timers and cron jobs that others than root can change',
    ),
  },
  'the operating system around the container runtime',
);
/** See {@link hostSchema}. */
export type HostFact = s.Infer<typeof hostSchema>;
