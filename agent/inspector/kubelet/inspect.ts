import { X509Certificate } from 'node:crypto';
import { absent, mapObserved, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { KubeletFact } from '../../../posture/fact/kubelet.ts';
import type { Read } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { probeListener, reachOf } from '../listener/reach.ts';
import type { CachedHost } from '../parse-cache.ts';
import { isStillRunning } from '../proc/daemon-identity.ts';
import { heldTcpListeners, isLoopback } from '../proc/held-tcp.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseBootTime, startedAtMs } from '../proc/proc-stat.ts';
import type { TcpListener } from '../proc/proc-net-tcp.ts';
import { readText, unseen } from '../read-text.ts';
import { readTrusted } from '../trusted-path.ts';
import { parseKubeletFlags } from './command-line.ts';
import { readDistribution, readKubeletVersion } from './distribution.ts';
import { effectiveSettings } from './effective.ts';
import { findKubelet } from './find-kubelet.ts';
import type { FoundKubelet } from './find-kubelet.ts';
import { readKubeletFiles } from './read-config.ts';

/** An argument list has up to 128 KiB a word; real ones of a kubelet have some KiB. */
const MAX_CMDLINE_BYTES = 1024 * 1024;
const MAX_CA_BYTES = 1024 * 1024;
const MAX_LISTENERS = 256;
const MAX_FILES = 128;
const API_PORT = 10250;

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
  if (found.state !== 'seen') return withoutKubelet(found);
  const { pid } = found.value;
  const cmdline = await readText(access.host, `/proc/${String(pid)}/cmdline`, MAX_CMDLINE_BYTES);
  if (!cmdline.ok) return withoutKubelet(unreadable(`/proc/${String(pid)}/cmdline`, cmdline.reason));
  const fact = await describe(access, found.value, found.source, parseNullTerminated(cmdline.value).slice(1));
  return (await isStillRunning(access.host, found.value))
    ? fact
    : withoutKubelet(unreadable(found.source, 'the kubelet ended while it was read'));
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
    clientCertificateAuthorities: reason,
  };
}

async function describe(
  access: NodeAccess,
  daemon: FoundKubelet,
  source: string,
  args: readonly string[],
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
  const settings = effectiveSettings({ ...files, flags, minor });
  return {
    process: seen(
      {
        pid,
        startedAtMs: startedAtMs(boot.ok ? parseBootTime(boot.value) : undefined, startTicks),
        executable: clip(executable, 4096),
        program,
      },
      source,
    ),
    distribution,
    version: mapObserved(version, (text) => clip(text, 64)),
    settings,
    files: files.paths.slice(0, MAX_FILES).map(({ path, modifiedAtMs }) => ({ path: clip(path, 4096), modifiedAtMs })),
    listeners: listenersOf(held, pid),
    api: await probeApi(access, pid, held, settings),
    clientCertificateAuthorities: await countAuthorities(access, settings),
  };
}

function listenersOf(held: Read<readonly TcpListener[]>, pid: number): KubeletFact['listeners'] {
  const source = `/proc/${String(pid)}/net/tcp`;
  if (!held.ok) return unseen(held, source);
  const listeners = held.value.slice(0, MAX_LISTENERS).map(({ address, port }) => ({
    address: clip(address, 64),
    port,
    loopback: isLoopback(address),
  }));
  return seen(listeners, source);
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
  const outcome = await probeListener(access.prober, listener, await reachOf(access, pid, 'the kubelet'));
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
