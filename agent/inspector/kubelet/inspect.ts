import { X509Certificate } from 'node:crypto';
import { absent, mapObserved, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { KubeletFact } from '../../../posture/fact/kubelet.ts';
import { failure } from '../../host/failure.ts';
import type { Host, Read } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { probeListener, reachOf } from '../listener/reach.ts';
import type { CachedHost } from '../parse-cache.ts';
import { isStillRunning } from '../proc/daemon-identity.ts';
import { parseProcCgroup } from '../proc/cgroup.ts';
import { heldTcpListeners } from '../proc/held-tcp.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseBootTime, startedAtMs } from '../proc/proc-stat.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { readText, unseen } from '../read-text.ts';
import { readTrusted } from '../trusted-path.ts';
import { readAddressFilter } from './address-filter.ts';
import { parseKubeletFlags } from './command-line.ts';
import { readDistribution, readKubeletVersion } from './distribution.ts';
import { effectiveSettings } from './effective.ts';
import { readK3sStart, readKubeliteStart } from './embedded.ts';
import type { EmbeddedStart } from './embedded.ts';
import { findKubelet } from './find-kubelet.ts';
import type { FoundKubelet } from './find-kubelet.ts';
import { listenersOf, readProxies } from './proxies.ts';
import { readKubeletFiles } from './read-config.ts';

/** An argument list has up to 128 KiB a word; real ones of a kubelet have some KiB. */
const MAX_CMDLINE_BYTES = 1024 * 1024;
const MAX_CA_BYTES = 1024 * 1024;
const MAX_FILES = 128;
const API_PORT = 10250;
const READ_ONLY_PORT = 10255;

/** The kubelet: what it was started with, what its files say, and what its ports do. */
export const kubeletInspector: Inspector<'kubelet'> = {
  fact: 'kubelet',
  needs: [],
  inspect: inspectKubelet,
  watches: ({ kubelet }) => [
    ...new Set([
      ...kubelet.files.map(({ path }) => path),
      ...['--config-dir', 'authentication.x509.clientCAFile'].flatMap((name) => textOf(kubelet.settings, name)),
    ]),
  ],
};

/** The value of a setting that is a path; nothing where it is empty or not known. */
function textOf(settings: KubeletFact['settings'], name: string): readonly string[] {
  const setting = settings[name];
  return setting?.state === 'seen' && setting.value.startsWith('/') ? [setting.value] : [];
}

async function inspectKubelet(access: NodeAccess): Promise<KubeletFact> {
  const found = await findKubelet(access);
  return found.state === 'seen' ? inspectProcess(access, found.value) : withoutKubelet(found);
}

/** Reads one kubelet that was established to be the node's. */
export async function inspectProcess(access: NodeAccess, daemon: FoundKubelet): Promise<KubeletFact> {
  const source = `/proc/${String(daemon.pid)}`;
  const unit = await readUnit(access.host, daemon.pid);
  const start = await readStart(access.host, daemon, unit);
  if (!start.ok) return withoutKubelet(unreadable(source, start.reason));
  const fact = await describe(access, daemon, unit, start.value);
  return (await isStillRunning(access.host, daemon))
    ? fact
    : withoutKubelet(unreadable(source, 'the kubelet ended while it was read'));
}

/** The arguments of the kubelet, of its own process or within another program. */
async function readStart(host: Host, daemon: FoundKubelet, unit: KubeletFact['unit']): Promise<Read<EmbeddedStart>> {
  const { pid, program } = daemon;
  if (program === 'k3s') return readK3sStart(host, daemon, unit.state === 'seen' ? unit.value : undefined);
  const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`, MAX_CMDLINE_BYTES);
  if (!cmdline.ok) return { ...cmdline, reason: `/proc/${String(pid)}/cmdline: ${cmdline.reason}` };
  const [name, ...args] = parseNullTerminated(cmdline.value);
  // A process that ends has none any more; without flags the kubelet would look open.
  if (name === undefined) return failure('failed', `/proc/${String(pid)}/cmdline is empty: the process may be ending`);
  return program === 'kubelite'
    ? readKubeliteStart(host, args)
    : { ok: true, value: { args, files: [], addsArguments: false } };
}

function withoutKubelet(reason: Observed<never>): KubeletFact {
  return {
    process: reason,
    distribution: 'other',
    version: reason,
    settings: {},
    files: [],
    listeners: reason,
    api: reason,
    unit: reason,
    addressFilter: reason,
    proxies: reason,
    clientCertificateAuthorities: reason,
  };
}

async function describe(
  access: NodeAccess,
  daemon: FoundKubelet,
  unit: KubeletFact['unit'],
  { args, files: startFiles, addsArguments }: EmbeddedStart,
): Promise<KubeletFact> {
  const { host } = access;
  const { pid, executable, program, startTicks } = daemon;
  const flags = parseKubeletFlags(args);
  const start = { executable, program, flags };
  const [boot, distribution, version, files, held] = await Promise.all([
    readText(host, '/proc/stat'),
    readDistribution(host, start),
    readKubeletVersion(host, start),
    readKubeletFiles(access, flags),
    heldTcpListeners(access, 'kubelet', pid),
  ]);
  const minor = version.state === 'seen' ? Number(version.value.split('.')[1]) : undefined;
  const effective = effectiveSettings({ ...files, flags, minor });
  const settings =
    program === 'kubelet' ? effective : embeddedSettings(effective, startFiles[0]?.path, addsArguments, held);
  return {
    process: seen(
      {
        pid,
        startedAtMs: startedAtMs(boot.ok ? parseBootTime(boot.value) : undefined, startTicks),
        executable: clip(executable, 4096),
        program,
      },
      `/proc/${String(pid)}`,
    ),
    distribution,
    version: mapObserved(version, (text) => clip(text, 64)),
    settings,
    files: [...startFiles, ...files.paths]
      .slice(0, MAX_FILES)
      .map(({ path, modifiedAtMs }) => ({ path: clip(path, 4096), modifiedAtMs })),
    listeners: listenersOf(held, pid),
    unit,
    addressFilter: await readAddressFilter(access.host, pid),
    proxies: await readProxies(access, daemon),
    api: await probeApi(access, pid, held, settings),
    clientCertificateAuthorities: await countAuthorities(access, settings),
  };
}

/**
 * The settings of a kubelet within another program: its arguments come from a file, which may be newer than the process.
 * What no file decides is not known where the program adds arguments of its own; its sockets show the read-only port.
 */
function embeddedSettings(
  settings: KubeletFact['settings'],
  file: string | undefined,
  addsArguments: boolean,
  held: Read<readonly TcpListener[]>,
): KubeletFact['settings'] {
  const hidden = 'the arguments with which the program starts its kubelet are not visible';
  const entries = Object.entries(settings).map(([name, setting]) => {
    const { source } = setting;
    if (setting.state === 'seen' && source.startsWith('--'))
      return [name, seen(setting.value, file ?? source)] as const;
    if (!addsArguments || !source.startsWith('default')) return [name, setting] as const;
    const isClosed = name === 'readOnlyPort' && held.ok && !held.value.some(({ port }) => port === READ_ONLY_PORT);
    return [name, isClosed ? seen('0', 'its sockets') : unreadable(source, hidden)] as const;
  });
  return Object.fromEntries(entries);
}

/** The innermost service in the path of the cgroup: `/system.slice/kubelet.service`. */
async function readUnit(host: Host, pid: number): Promise<KubeletFact['unit']> {
  const source = `/proc/${String(pid)}/cgroup`;
  const read = await readText(host, source);
  if (!read.ok) return unseen(read, source);
  const unit = parseProcCgroup(read.value)
    .flatMap(({ path }) => path.split('/'))
    .findLast((name) => /^[\w.@:\\-]{1,240}\.service$/.test(name));
  return unit === undefined ? absent(source) : seen(unit, source);
}

/** Connects to the port of the API as a client without credentials, if the kubelet listens there. */
async function probeApi(
  access: NodeAccess,
  pid: number,
  held: Read<readonly TcpListener[]>,
  settings: KubeletFact['settings'],
): Promise<KubeletFact['api']> {
  if (!held.ok) return unseen(held, `/proc/${String(pid)}/fd`);
  const configured = settings['port'];
  const port = configured?.state === 'seen' ? Number(configured.value) : API_PORT;
  const listener = held.value.find((each) => each.port === port);
  const source = `probe of tcp:${String(port)}`;
  if (listener === undefined) return absent(source);
  const outcome = await probeListener(
    access.prober,
    { ...listener, service: 'kubelet' },
    await reachOf(access, pid, 'the kubelet'),
  );
  return outcome.ok ? seen(outcome.value, source) : unreadable(source, outcome.reason);
}

/** The certificates of authorities in the file by which the kubelet verifies clients. */
async function countAuthorities(
  { host, cache }: CachedHost,
  settings: KubeletFact['settings'],
): Promise<KubeletFact['clientCertificateAuthorities']> {
  const file = settings['authentication.x509.clientCAFile'];
  if (file === undefined || file.state === 'unreadable') return unreadable('clientCAFile', 'the setting is not known');
  if (file.state === 'absent' || file.value === '') return absent('clientCAFile');
  const path = clip(file.value, 4096);
  if (!path.startsWith('/')) return unreadable(path, 'a relative path: where it leads is not known');
  const read = await readTrusted(host, path, MAX_CA_BYTES);
  if (!read.ok) return unseen(read, path);
  return seen(cache.parsed('', path, read.value.bytes, authoritiesIn), path);
}

const MAX_CERTIFICATES = 256;

/** How many certificates of a PEM file are certificates of an authority (CA:TRUE). */
function authoritiesIn(bytes: Buffer): number {
  const blocks = bytes.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]{1,65536}-----END CERTIFICATE-----/g);
  return (blocks ?? []).slice(0, MAX_CERTIFICATES).filter(isAuthority).length;
}

function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}
