import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { CertificateFact, CertificatesFact } from '../../../posture/fact/certificates.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import { unseen } from '../read-text.ts';
import { readTrusted } from '../trusted-path.ts';
import { readHomeCredentials } from './home-credentials.ts';
import { hasBootstrapToken, parseCertificates } from './parse.ts';

/** Where Kubernetes, its distributions, etcd and runtimes keep certificates, and how deep they are looked for. */
const DIRECTORIES: readonly (readonly [path: string, depth: number])[] = [
  ['/etc/kubernetes', 2],
  ['/var/lib/kubelet/pki', 0],
  ['/var/lib/rancher/k3s/agent', 0],
  ['/var/lib/rancher/k3s/server/tls', 1],
  ['/var/lib/rancher/rke2/agent', 0],
  ['/var/lib/rancher/rke2/server/tls', 1],
  ['/var/snap/microk8s/current/certs', 0],
  ['/var/lib/k0s/pki', 1],
  ['/var/lib/k0s/kubelet/pki', 0],
  ['/etc/etcd', 2],
  ['/etc/docker', 2],
  ['/etc/containerd', 2],
  ['/etc/cni/net.d', 1],
];
const FILES: readonly string[] = ['/root/.kube/config'];

/** Names of files that may hold a certificate. A private key has a name of its own, or is not looked at. */
const HOLDS_CERTIFICATES = /\.(?:pem|crt|cert|conf|kubeconfig|config)$|(?:^|\/)(?:kubeconfig|config)$/;

/** Private keys of authorities of a cluster: whoever has one makes any certificate. */
const AUTHORITY_KEYS: readonly string[] = [
  '/etc/kubernetes/pki/ca.key',
  '/etc/kubernetes/pki/front-proxy-ca.key',
  '/etc/kubernetes/pki/etcd/ca.key',
  '/etc/kubernetes/pki/sa.key',
  '/var/lib/rancher/k3s/server/tls/server-ca.key',
  '/var/lib/rancher/k3s/server/tls/client-ca.key',
  '/var/lib/rancher/rke2/server/tls/server-ca.key',
  '/var/lib/rancher/rke2/server/tls/client-ca.key',
  '/var/lib/k0s/pki/ca.key',
  '/var/snap/microk8s/current/certs/ca.key',
];
const BOOTSTRAP_FILES: readonly string[] = [
  '/etc/kubernetes/bootstrap-kubelet.conf',
  '/etc/kubernetes/bootstrap-kubeconfig',
];
/** Files that make a node run an API server. Processes do not count: a container chooses their names. */
const CONTROL_PLANE: readonly string[] = [
  '/etc/kubernetes/manifests/kube-apiserver.yaml',
  '/var/lib/rancher/k3s/server/db',
  '/var/lib/rancher/rke2/server/db',
  '/var/snap/microk8s/current/args/kube-apiserver',
  '/var/lib/k0s/etcd',
  '/var/lib/k0s/db',
];

/** Bounds: entries of one directory, files, certificates, bytes of one file. */
const MAX_ENTRIES = 256;
const MAX_FILES = 256;
const MAX_CERTIFICATES = 512;
const MAX_UNREAD = 64;
const MAX_BYTES = 512 * 1024;

/** Certificates in files, and what lies beside them. */
export const certificatesInspector: Inspector<'certificates'> = {
  fact: 'certificates',
  needs: [],
  inspect: inspectCertificates,
  watches: () => [...DIRECTORIES.map(([path]) => path), ...FILES],
};

async function inspectCertificates(access: NodeAccess): Promise<CertificatesFact> {
  const { host } = access;
  return {
    ...(await findCertificates(access)),
    authorityKeys: await existing(host, AUTHORITY_KEYS),
    homeCredentials: await readHomeCredentials(access),
    bootstrapTokens: await readBootstrapTokens(host),
    controlPlane: await readControlPlane(host),
  };
}

/** A place that could not be read. What one file is like hides no other. */
type Unread = CertificatesFact['unread'][number];

async function findCertificates({ host, cache }: NodeAccess): Promise<Pick<CertificatesFact, 'found' | 'unread'>> {
  const paths: string[] = [...FILES];
  const unread: Unread[] = [];
  for (const [directory, depth] of DIRECTORIES) await collect(host, { directory, depth }, paths, unread);
  const found: CertificateFact[] = [];
  let isAny = false;
  // Of a certificate under two names (kubelet-client-current.pem is a link) one is enough.
  const known = new Set<string>();
  for (const path of paths) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && (read.code === 'absent' || read.code === 'notRegular')) continue;
    isAny = true;
    if (!read.ok) unread.push({ path: clip(path, 4096), reason: clip(read.reason, 1024) });
    if (!read.ok || known.has(read.value.stat.fileId)) continue;
    known.add(read.value.stat.fileId);
    const parsed = cache.parsed(NODE_SUBJECT, path, read.value.bytes, (bytes) =>
      parseCertificates(bytes.toString('latin1')),
    );
    for (const certificate of parsed.found) found.push(Object.assign({ path: clip(path, 4096) }, certificate));
    if (parsed.notUnderstood > 0)
      unread.push({
        path: clip(path, 4096),
        reason: `${String(parsed.notUnderstood)} certificates in it are not understood, or too many`,
      });
  }
  if (found.length > MAX_CERTIFICATES)
    return { found: unreadable('/etc/kubernetes', `more than ${String(MAX_CERTIFICATES)} certificates`), unread: [] };
  const isSomething = isAny || unread.length > 0;
  return {
    found: isSomething ? seen(found, 'files of certificates') : absent('/etc/kubernetes'),
    unread: unread.slice(0, MAX_UNREAD),
  };
}

/** Adds the files below a directory that may hold certificates to `paths`, and what could not be listed to `unread`. */
async function collect(
  host: Host,
  { directory, depth }: { readonly directory: string; readonly depth: number },
  paths: string[],
  unread: Unread[],
): Promise<void> {
  const listed = await host.list(directory, { maxEntries: MAX_ENTRIES });
  if (!listed.ok) {
    if (listed.code !== 'absent' && listed.code !== 'notRegular')
      unread.push({ path: clip(directory, 4096), reason: clip(listed.reason, 1024) });
    return;
  }
  const superseded = await supersededIn(host, directory, listed.value);
  for (const name of listed.value) {
    if (superseded.has(name)) continue;
    const path = `${directory}/${name}`;
    if (!HOLDS_CERTIFICATES.test(name)) {
      if (depth > 0 && !name.includes('.json'))
        await collect(host, { directory: path, depth: depth - 1 }, paths, unread);
    } else if (paths.length < MAX_FILES) paths.push(path);
    else {
      unread.push({ path: clip(directory, 4096), reason: `more than ${String(MAX_FILES)} files in all` });
      return;
    }
  }
}

/**
 * The kubelet keeps the certificates that it has replaced, `kubelet-client-2026-01-31-12-00-00.pem`: they have expired.
 * It uses the one that `kubelet-client-current.pem` leads to; the same for `kubelet-server`.
 */
async function supersededIn(host: Host, directory: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  const superseded = new Set<string>();
  for (const kind of ['kubelet-client', 'kubelet-server']) {
    const link = names.includes(`${kind}-current.pem`)
      ? await host.stat(`${directory}/${kind}-current.pem`)
      : undefined;
    if (link?.ok !== true) continue;
    const current = link.value.realPath.slice(link.value.realPath.lastIndexOf('/') + 1);
    for (const name of names)
      if (name !== current && name.startsWith(`${kind}-`) && /-\d{4}(?:-\d{2}){5}\.pem$/.test(name))
        superseded.add(name);
  }
  return superseded;
}

async function existing(host: Host, paths: readonly string[]): Promise<CertificatesFact['authorityKeys']> {
  const found: string[] = [];
  for (const path of paths) {
    const stat = await host.stat(path);
    if (!stat.ok && stat.code !== 'absent') return unreadable(path, stat.reason);
    if (stat.ok) found.push(path);
  }
  return found.length === 0 ? absent(paths[0] ?? '') : seen(found, '/etc/kubernetes/pki');
}

async function readBootstrapTokens(host: Host): Promise<CertificatesFact['bootstrapTokens']> {
  const found: string[] = [];
  for (const path of BOOTSTRAP_FILES) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unseen(read, path);
    if (hasBootstrapToken(read.value.bytes.toString('utf8'))) found.push(path);
  }
  return found.length === 0 ? absent(BOOTSTRAP_FILES[0] ?? '') : seen(found, '/etc/kubernetes');
}

async function readControlPlane(host: Host): Promise<CertificatesFact['controlPlane']> {
  const found = await existing(host, CONTROL_PLANE);
  if (found.state === 'unreadable') return found;
  return seen(found.state === 'seen', found.state === 'seen' ? (found.value[0] ?? '') : (CONTROL_PLANE[0] ?? ''));
}
