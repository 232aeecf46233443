import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { SshAccessFact } from '../../../posture/fact/ssh-access.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { streamPorts } from '../listener/choose.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import { findDaemons, refusalText } from '../proc/daemon-identity.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseBootTime, startedAtMs } from '../proc/proc-stat.ts';
import { readTcpListeners } from '../proc/proc-net-tcp.ts';
import { readText, unseen } from '../read-text.ts';
import { findSshdListeners } from '../sshd/listeners.ts';
import { findUnit, unknownSettings } from '../systemd/find-unit.ts';
import { unitValues } from '../systemd/unit-file.ts';
import { readHostKeys } from './host-keys.ts';
import { parseModuli } from './moduli.ts';
import { publicIpv4, publicIpv6 } from './public-addresses.ts';

/** Bounds of the fact. */
const MAX_SESSIONS = 256;
const MAX_SOCKETS = 64;
const MAX_ADDRESSES = 64;
const MAX_MODULI_BYTES = 4 * 1024 * 1024;
const MAX_ROUTE_BYTES = 4 * 1024 * 1024;

/** Where distributions keep the groups for Diffie-Hellman; the first that exists counts. */
const MODULI = ['/etc/ssh/moduli', '/usr/etc/ssh/moduli', '/usr/share/openssh/moduli'];
const TRUST_FILES = ['/etc/hosts.equiv', '/etc/ssh/shosts.equiv', '/etc/shosts.equiv'];
const MACHINE_ID = '/etc/machine-id';
/** Where systemd-logind and sshd note that a session was opened, before it runs anything. Only root writes there. */
const SESSION_RECORDS = ['/run/systemd/sessions', '/run/utmp'];

/** Host keys, listening sockets, sessions: what the configuration of sshd does not say. */
export const sshAccessInspector: Inspector<'sshAccess'> = {
  fact: 'sshAccess',
  needs: ['sshd'],
  inspect: inspectSshAccess,
  watches: ({ sshAccess }) => [
    ...MODULI,
    ...TRUST_FILES,
    ...SESSION_RECORDS,
    ...(sshAccess.hostKeys.state === 'seen' ? sshAccess.hostKeys.value.map(({ path }) => path) : []),
  ],
};

async function inspectSshAccess(access: NodeAccess, { sshd }: Partial<Facts>): Promise<SshAccessFact> {
  const { host } = access;
  const machineId = await host.stat(MACHINE_ID);
  const installedAtMs = machineId.ok ? seen(machineId.value.modifiedAtMs, MACHINE_ID) : unseen(machineId, MACHINE_ID);
  const trustFiles = await readTrustFiles(host);
  if (sshd === undefined || sshd.present.state === 'absent') {
    const none = absent(sshd?.present.source ?? '/etc/ssh/sshd_config');
    return {
      hostKeys: none,
      installedAtMs,
      moduli: none,
      sockets: none,
      publicAddresses: none,
      sessions: none,
      trustFiles,
    };
  }
  const sockets = await readSockets(access, sshd.present);
  return {
    hostKeys: await readHostKeys(host, sshd),
    installedAtMs,
    moduli: await readModuli(access),
    sockets,
    publicAddresses: await readPublicAddresses(host),
    sessions: await readSessions(access),
    trustFiles,
  };
}

async function readTrustFiles(host: Host): Promise<SshAccessFact['trustFiles']> {
  const found: string[] = [];
  for (const path of TRUST_FILES) {
    const stat = await host.stat(path);
    if (!stat.ok && stat.code !== 'absent') return unreadable(path, stat.reason);
    if (stat.ok && stat.value.kind === 'file' && stat.value.size > 0) found.push(path);
  }
  return found.length === 0 ? absent(TRUST_FILES[0] ?? '') : seen(found, '/etc');
}

async function readModuli({ host, cache }: NodeAccess): Promise<SshAccessFact['moduli']> {
  for (const path of MODULI) {
    const read = await host.readFile(path, { maxBytes: MAX_MODULI_BYTES });
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unreadable(path, read.reason);
    return seen(
      cache.parsed(NODE_SUBJECT, path, read.value, (bytes) => parseModuli(bytes.toString('latin1'))),
      path,
    );
  }
  return absent(MODULI[0] ?? '');
}

async function readSockets(access: NodeAccess, present: Facts['sshd']['present']): Promise<SshAccessFact['sockets']> {
  const found = await findSshdListeners(access);
  if (!found.ok) return unreadable('/proc', found.reason);
  const doubted = refusalText(found.value, 'sshd', ['doubtful']);
  if (doubted !== undefined) return unreadable('/proc/*/exe sshd', doubted);
  const held = found.value.listeners.flatMap(({ sockets }) => sockets);
  if (held.length === 0 && present.state === 'seen' && present.value === 'socketActivated')
    return readActivated(access);
  const sockets = held.slice(0, MAX_SOCKETS).map(({ address, port }) => ({ address, port }));
  return sockets.length === 0 ? absent('/proc/*/exe sshd') : seen(sockets, '/proc/net/tcp');
}

/** The sockets that systemd holds for sshd. */
async function readActivated({ host }: NodeAccess): Promise<SshAccessFact['sockets']> {
  const ports = new Set<number>();
  for (const name of ['ssh.socket', 'sshd.socket']) {
    const unit = await findUnit(host, name);
    const unknown = unknownSettings(unit);
    if (unknown !== undefined) return unreadable(name, unknown);
    if (unit !== undefined && 'settings' in unit)
      for (const port of streamPorts(unitValues(unit.settings, 'Socket', 'ListenStream'))) ports.add(port);
  }
  const table = await readTcpListeners(host, 1);
  if (!table.ok) return unseen(table, '/proc/1/net/tcp');
  const sockets = table.value.filter(({ port }) => ports.has(port)).slice(0, MAX_SOCKETS);
  return seen(
    sockets.map(({ address, port }) => ({ address, port })),
    '/proc/1/net/tcp',
  );
}

async function readPublicAddresses(host: Host): Promise<SshAccessFact['publicAddresses']> {
  const source = '/proc/1/net/fib_trie';
  const [v4, v6] = await Promise.all([
    readText(host, source, MAX_ROUTE_BYTES),
    readText(host, '/proc/1/net/if_inet6', MAX_ROUTE_BYTES),
  ]);
  if (!v4.ok) return unreadable(source, v4.reason);
  // A kernel without IPv6 has no such file.
  if (!v6.ok && v6.code !== 'absent') return unreadable('/proc/1/net/if_inet6', v6.reason);
  return seen([...publicIpv4(v4.value), ...(v6.ok ? publicIpv6(v6.value) : [])].slice(0, MAX_ADDRESSES), source);
}

/** `sshd: USER [priv]` or `sshd: USER@pts/0`, setproctitle of OpenSSH; since 9.8 the program is `sshd-session`. */
const SESSION = /^sshd(?:-session)?: ([^\s@[]{1,256})(?: \[priv\]|@.*)$/;

async function readSessions(access: NodeAccess): Promise<SshAccessFact['sessions']> {
  const { host } = access;
  const processes = [];
  for (const name of ['sshd', 'sshd-session'] as const) {
    const found = await findDaemons(access, name);
    if (!found.ok) return unreadable('/proc', found.reason);
    const doubt = refusalText(found.value, name, ['doubtful']);
    if (doubt !== undefined) return unreadable('/proc/*/exe sshd', doubt);
    processes.push(...found.value.genuine);
  }
  const boot = await readText(host, '/proc/stat');
  const bootTime = boot.ok ? parseBootTime(boot.value) : undefined;
  const sessions = [];
  const parents = new Map<number, number>();
  for (const { pid, startTicks, status } of processes) {
    const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
    if (!cmdline.ok && cmdline.code === 'absent') continue;
    if (!cmdline.ok) return unreadable(`/proc/${String(pid)}/cmdline`, cmdline.reason);
    const user = SESSION.exec(parseNullTerminated(cmdline.value)[0] ?? '')?.[1];
    if (user === undefined) continue;
    sessions.push({ user: clip(user, 256), startedAtMs: startedAtMs(bootTime, startTicks), pid });
    parents.set(pid, status.parent);
  }
  // A session of root is two processes of root: the monitor (`root [priv]`), and its child (`root@pts/0`).
  const monitored = sessions.filter(({ pid }) => !parents.has(parents.get(pid) ?? 0));
  const source = '/proc/*/cmdline sshd';
  return monitored.length > MAX_SESSIONS
    ? unreadable(source, `more than ${String(MAX_SESSIONS)} sessions`)
    : seen(monitored, source);
}
