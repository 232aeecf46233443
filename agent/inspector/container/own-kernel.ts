import { dirname } from 'node:path';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Handler, Mount, OwnKernel, RuntimeContainer } from '../../../posture/fact/container.ts';
import { userOfEngine } from '../../../posture/fact/docker.ts';
import type { Host } from '../../host/host.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { programName, withoutDeleted } from '../proc/process-table.ts';
import { readText } from '../read-text.ts';
import { statTrusted } from '../trusted-path.ts';
import type { NodeView } from './node-view.ts';
import type { ThreadReading } from './threads.ts';

type Kind = OwnKernel['kind'];

/** Programs that run a kernel of their own: gVisor, and hypervisors. */
const PROGRAMS: readonly (readonly [RegExp, Kind])[] = [
  [/^runsc$/, 'gvisor'],
  [/^(?:qemu-system-[\w.-]+|qemu-kvm|cloud-hypervisor|firecracker|stratovirt|crosvm)$/, 'vm'],
  // Its virtual machine is a part of the shim.
  [/^containerd-shim-kata-v2$/, 'vm'],
  // The virtual machine of libkrun is a part of the OCI runtime.
  [/^krun$/, 'vm'],
];

/** Words in the names of handlers, paths of OCI runtimes and types of shims. */
const HANDLERS: readonly (readonly [RegExp, Kind])[] = [
  [/(?:^|[^a-z])(?:runsc|gvisor)(?:[^a-z]|$)/i, 'gvisor'],
  [/(?:^|[^a-z])(?:kata|krun|firecracker|kuasar|runhcs|cloud-hypervisor|qemu|urunc|runv|runq)(?:[^a-z]|$)/i, 'vm'],
];

/** Supervisors whose arguments name the OCI runtime, where the engine does not. */
const SHIM = /^containerd-shim-/;
const CONMON = 'conmon';

/** Facts about a container that show which kernel it runs on. */
export interface KernelQuestion {
  readonly side: Pick<RuntimeContainer, 'handler' | 'declared' | 'engine'>;
  readonly pid: number;
  readonly threads: readonly ThreadReading[];
  /** Of the first process. */
  readonly mounts: Observed<readonly Mount[]>;
}

/**
 * The kernel of a container that does not share that of the node. A name alone decides nothing: a handler named runsc may
 * be a wrapper of runc, and any program can call itself runsc.
 *
 * A process cannot leave its pid namespace (pid_namespaces(7)). So a first process in that of the node, where the engine
 * requested a new one, was put there by the OCI runtime, and its executable says which kernel it runs. In a pid namespace
 * of its own, the handler that the engine names has to be one with a kernel of its own as well, and the root directory
 * one that no image has. If these signs contradict each other, the kernel is unreadable.
 */
export async function findOwnKernel(view: NodeView, question: KernelQuestion): Promise<Observed<OwnKernel>> {
  const { side, pid, threads, mounts } = question;
  const source = `/proc/${String(pid)}/exe`;
  const first = threads.find((thread) => thread.directory === `/proc/${String(pid)}`);
  if (first === undefined) return absent(source);
  const isOutside = leftPidNamespace(view, side, first);
  const named = kindOfHandler(await handlerText(view.host, side.handler, first.status.parent));
  if (!isOutside && named === undefined) return absent(source);
  const link = await view.host.readLink(source);
  if (!link.ok) return unreadable(source, link.reason);
  const program = withoutDeleted(link.value);
  const kind = kindOf(PROGRAMS, programName(program));
  const isOfNode = kind !== undefined && (await isProgramOfNode(view.host, link.value));
  const hasNoImage = inMountNamespaceOfNode(view, first) || isSandboxRoot(mounts);
  const isEstablished = isOutside || (named === kind && (hasNoImage || programName(program) === 'krun'));
  // Trust the engine of root only: a user can make the own engine report any handler.
  if (isOfNode && isEstablished && userOfEngine(side.engine) === 0)
    return seen({ kind, program, ...processOf(threads, pid, first) }, source);
  // The OCI runtime runs the virtual machine itself, from a copy that has no path.
  const isRuntimeCopy = named === 'vm' && /^\/memfd:|\/(?:crun|krun)$/.test(program);
  const isAmbiguous = isOutside || hasNoImage || isRuntimeCopy || (kind !== undefined && named === kind);
  if (!isAmbiguous) return absent(source);
  return unreadable(
    source,
    `${program} is the first process, ${isOutside ? 'which did not get the pid namespace that was requested' : 'and the handler names a kernel of its own'}: it is not known which kernel runs the container`,
  );
}

/** Where neither the cgroup nor the arguments of a process name the container: the number may count in a virtual machine. */
export async function namesContainer(
  host: Host,
  pid: number,
  { id, handler }: Pick<RuntimeContainer, 'id' | 'handler'>,
): Promise<boolean> {
  const parent = await parentOf(host, pid);
  const ids = [id, handler.sandbox].filter((each) => each !== '');
  for (const process of [pid, parent]) {
    if (process <= 1) continue;
    const words = await argumentsOf(host, process);
    if (words.some((word) => ids.some((each) => word.includes(each)))) return true;
  }
  return false;
}

/** The kind of kernel that a handler names; undefined: that of the node. */
export function kindOfHandler(text: string): Kind | undefined {
  return kindOf(HANDLERS, text);
}

/** All that is reported of a handler. */
export function wordsOfHandler({ name, program }: Pick<Handler, 'name' | 'program'>): string {
  return `${name} ${program}`;
}

function kindOf(table: readonly (readonly [RegExp, Kind])[], text: string): Kind | undefined {
  return table.find(([pattern]) => pattern.test(text))?.[1];
}

/** Where the engine does not report the handler: what its supervisor was started as, which is a process of the node. */
async function handlerText(host: Host, handler: Handler, parent: number): Promise<string> {
  if (handler.name !== '' || handler.program !== '' || parent <= 1) return wordsOfHandler(handler);
  const link = await host.readLink(`/proc/${String(parent)}/exe`);
  const program = link.ok ? programName(withoutDeleted(link.value)) : '';
  if (SHIM.test(program)) return program;
  if (program !== CONMON) return '';
  const words = await argumentsOf(host, parent);
  const at = words.findIndex((word) => word === '-r' || word === '--runtime');
  return at === -1 ? '' : (words[at + 1] ?? '');
}

function leftPidNamespace(
  { node }: Pick<NodeView, 'node'>,
  { declared }: Pick<RuntimeContainer, 'declared'>,
  first: ThreadReading,
): boolean {
  return declared.pidMode === '' && isOfNode(node.namespaces.inodes.pid, first.context.namespaces.pid);
}

function inMountNamespaceOfNode({ node }: Pick<NodeView, 'node'>, first: ThreadReading): boolean {
  return isOfNode(node.namespaces.inodes.mnt, first.context.namespaces.mnt);
}

function isOfNode(node: Observed<number>, own: Observed<number>): boolean {
  return node.state === 'seen' && own.state === 'seen' && node.value === own.value;
}

/** gVisor: an empty read-only tmpfs, and nothing mounted in it (runsc/cmd/chroot.go). */
function isSandboxRoot(mounts: Observed<readonly Mount[]>): boolean {
  if (mounts.state !== 'seen') return false;
  const root = mounts.value.find(({ mountPoint }) => mountPoint === '/');
  return root?.fsType === 'tmpfs' && root.source === 'runsc-root' && mounts.value.length <= 2;
}

/** A file of the node that only root can change; of one that was replaced, the directory that it was in. */
async function isProgramOfNode(host: Host, path: string): Promise<boolean> {
  const executable = withoutDeleted(path);
  if (executable !== path) return (await statTrusted(host, dirname(executable))).ok;
  const stat = await statTrusted(host, path);
  return stat.ok && stat.value.kind === 'file';
}

function processOf(
  threads: readonly ThreadReading[],
  pid: number,
  { status }: ThreadReading,
): Pick<OwnKernel, 'uids' | 'capabilities' | 'filtered'> {
  const own = threads.filter((thread) => thread.pid === pid);
  return {
    uids: status.uids.slice(0, 4),
    capabilities: status.capabilities.effective,
    filtered: own.every((thread) => thread.status.seccomp === 2),
  };
}

async function argumentsOf(host: Host, pid: number): Promise<readonly string[]> {
  const read = await readText(host, `/proc/${String(pid)}/cmdline`);
  return read.ok ? parseNullTerminated(read.value) : [];
}

async function parentOf(host: Host, pid: number): Promise<number> {
  const status = await readText(host, `/proc/${String(pid)}/status`);
  return Number((status.ok ? /^PPid:\s*(\d{1,10})$/m.exec(status.value)?.[1] : undefined) ?? 0);
}
