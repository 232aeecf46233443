import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Why there is no gVisor here; false where there is. For the `skip` option of a test. */
export const noGvisor: string | false = spawnSync('runsc', ['--version']).status !== 0 && 'runsc is not installed';

/** Networks and cgroups are not what the tests are about; ptrace runs on any machine. */
const RUNSC_ARGS = ['--network=none', '--ignore-cgroups', '--platform=ptrace'];

/**
 * The part of an OCI runtime that a shim calls, with which a process of root in the namespaces of the node stands for a
 * hypervisor. Nothing is virtual: what the node sees of a container of Kata is what this shows.
 */
const HYPERVISOR_RUNTIME = `#!/bin/bash
state=$(dirname "$0")/state; mkdir -p "$state"
while [ $# -gt 0 ]; do
  case $1 in
    --pid-file) pidfile=$2; shift 2;;
    --root|--log|--log-format|--bundle|--console-socket) shift 2;;
    -*) shift;;
    *) [ -z "$verb" ] && verb=$1 || id=\${id:-$1}; [ "$verb" = kill ] && [ "$id" != "$1" ] && signal=$1; shift;;
  esac
done
case $verb in
  create) bash -c "exec -a sleep '@VMM@' 100000" </dev/null & echo -n $! > "$pidfile"; cp "$pidfile" "$state/$id"; disown;;
  start) ;;
  state) echo "{\\"ociVersion\\":\\"1.0.2\\",\\"id\\":\\"$id\\",\\"status\\":\\"running\\",\\"pid\\":$(cat "$state/$id")}";;
  kill) kill -KILL "$(cat "$state/$id")" 2>/dev/null; exit 0;;
  delete) kill -KILL "$(cat "$state/$id")" 2>/dev/null; rm -f "$state/$id"; exit 0;;
  *) exit 1;;
esac
`;

/** Handlers of the daemon, each with the program that it really is. */
export function sandboxRuntimes(directory: string): readonly string[] {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const wrapper = join(directory, 'runsc');
  writeFileSync(wrapper, `#!/bin/sh\nexec ${which('runc')} "$@"\n`);
  const vmm = join(directory, 'qemu-system-x86_64');
  copyFileSync(which('busybox'), vmm);
  const other = join(directory, 'supervisor');
  copyFileSync(which('busybox'), other);
  const kata = join(directory, 'kata-runtime');
  writeFileSync(kata, HYPERVISOR_RUNTIME.replace('@VMM@', vmm));
  const strange = join(directory, 'strange-runtime');
  writeFileSync(strange, HYPERVISOR_RUNTIME.replace('@VMM@', other));
  for (const file of [wrapper, vmm, other, kata, strange]) chmodSync(file, 0o755);
  const runsc = { path: which('runsc'), runtimeArgs: RUNSC_ARGS };
  const runtimes = {
    runsc,
    // The name says nothing, or something else.
    plain: runsc,
    wrapped: { path: wrapper },
    kata: { path: kata },
    strange: { path: strange },
  };
  const config = join(directory, 'daemon.json');
  writeFileSync(config, JSON.stringify({ runtimes }));
  return [`--config-file=${config}`];
}

/**
 * A root directory of busybox, packed: with two Debian packages, and with programs that have the names of gVisor and of a
 * hypervisor and only sleep.
 */
export function sandboxImage(directory: string): Buffer {
  for (const path of ['bin', 'usr/bin', 'etc', 'host', 'var/lib/dpkg'])
    mkdirSync(join(directory, path), { recursive: true });
  copyFileSync(which('busybox'), join(directory, 'bin/busybox'));
  for (const name of ['sh', 'sleep', 'cat', 'chroot']) symlinkSync('busybox', join(directory, 'bin', name));
  for (const name of ['runsc', 'qemu-system-x86_64']) copyFileSync(which('busybox'), join(directory, 'usr/bin', name));
  const status = ['first-of-image', 'second-of-image'].map(
    (name) => `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n`,
  );
  writeFileSync(join(directory, 'var/lib/dpkg/status'), status.join('\n'));
  writeFileSync(join(directory, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\n');
  return execFileSync('tar', ['-C', directory, '-c', '.'], { maxBuffer: 64 * 1024 * 1024 });
}

function which(program: string): string {
  return execFileSync('sh', ['-c', `command -v ${program}`], {
    encoding: 'utf8',
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  }).trim();
}
