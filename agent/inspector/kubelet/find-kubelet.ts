import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { KubeletProcess } from '../../../posture/fact/kubelet.ts';
import { findDaemons, refusalText } from '../proc/daemon-identity.ts';
import type { DaemonName, DaemonProcess, Daemons } from '../proc/daemon-identity.ts';
import { heldTcpListeners } from '../proc/held-tcp.ts';
import type { CachedHost } from '../parse-cache.ts';

/** The process that is the kubelet, with the program that it is a part of. */
export interface FoundKubelet extends DaemonProcess {
  readonly program: KubeletProcess['program'];
}

/** Programs that are a kubelet, or have one within. */
const PROGRAMS = ['kubelet', 'k3s', 'kubelite'] as const satisfies readonly DaemonName[];
/** The commands of k3s that run a kubelet, as they name their process; others are clients. */
const K3S_COMMANDS: ReadonlySet<string> = new Set(['k3s-server', 'k3s-agent']);

/**
 * The kubelet of the node: the one process of root in the namespaces of the node whose program only root can change. Of
 * several it is the one that listens. absent: none runs; kubelets of containers are those of other nodes. unreadable:
 * root runs a process with that name which is not established to be it.
 */
export async function findKubelet(access: CachedHost): Promise<Observed<FoundKubelet>> {
  const source = '/proc/*/exe kubelet';
  const found: FoundKubelet[] = [];
  const refusals: string[] = [];
  for (const program of PROGRAMS) {
    const daemons = await findDaemons(access, program);
    if (!daemons.ok) return unreadable('/proc', daemons.reason);
    const { genuine } = daemons.value;
    const kubelets = program === 'k3s' ? genuine.filter(({ status }) => K3S_COMMANDS.has(status.name)) : genuine;
    for (const daemon of kubelets) found.push({ ...daemon, program });
    const refused = refusalText(ofRoot(daemons.value), program, ['doubtful', 'foreign']);
    if (refused !== undefined) refusals.push(refused);
  }
  const [only, second] = found;
  if (only === undefined) return refusals.length === 0 ? absent(source) : unreadable(source, refusals.join('; '));
  if (second === undefined) return seen(only, `/proc/${String(only.pid)}`);
  const listening: FoundKubelet[] = [];
  for (const daemon of found) {
    const held = await heldTcpListeners(access, 'kubelet', daemon.pid);
    // One whose sockets are not known may be the one that listens.
    if (held.ok ? held.value.length > 0 : held.code !== 'absent') listening.push(daemon);
  }
  const [first] = listening;
  return first !== undefined && listening.length === 1
    ? seen(first, `/proc/${String(first.pid)}`)
    : unreadable(source, `several kubelets run: pid ${found.map(({ pid }) => String(pid)).join(', ')}`);
}

/** A process of a user is never the kubelet of the node, whatever it is called. */
function ofRoot({ refused }: Daemons): Pick<Daemons, 'refused'> {
  return { refused: refused.filter(({ status }) => status.effectiveUid === 0) };
}
