import { absent, seen } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Distribution, KubeletProcess } from '../../../posture/fact/kubelet.ts';
import type { Host } from '../../host/host.ts';
import { findDpkgPackage } from '../installed-package.ts';
import { readTrusted } from '../trusted-path.ts';
import type { KubeletFlags } from './command-line.ts';

/** What tells distributions apart. */
export interface KubeletStart {
  readonly executable: string;
  readonly program: KubeletProcess['program'];
  readonly flags: KubeletFlags;
}

const BY_EXECUTABLE: readonly (readonly [RegExp, Distribution])[] = [
  [/^\/var\/lib\/rancher\/rke2\/|\/data\/v[^/]*rke2r[^/]*\/bin\/kubelet$/, 'rke2'],
  [/^\/var\/lib\/rancher\/k3s\//, 'k3s'],
  [/^\/(?:var\/lib\/snapd\/)?snap\/microk8s\//, 'microk8s'],
  [/^\/(?:var\/lib\/snapd\/)?snap\/kubelet-eks\//, 'eks'],
  [/^\/var\/lib\/k0s\//, 'k0s'],
  [/^\/home\/kubernetes\/bin\//, 'gke'],
];

/** The directory of `--data-dir`, in which both unpack their programs: `/var/lib/rancher/k3s/data/0a1b2c/bin/k3s`. */
export function rancherDirectory(name: 'k3s' | 'rke2', executable: string): string {
  return /^(\/.+)\/data\/[^/]+\/bin\/(?:k3s|kubelet)$/.exec(executable)?.[1] ?? `/var/lib/rancher/${name}`;
}

const OS_RELEASE = '/etc/os-release';
const AZURE = '/etc/kubernetes/azure.json';

/** How the node is built: by where the program is, by the system, and by which files the kubelet was started with. */
export async function readDistribution(host: Host, start: KubeletStart): Promise<Distribution> {
  if (start.program === 'k3s') return 'k3s';
  if (start.program === 'kubelite') return 'microk8s';
  const byExecutable = BY_EXECUTABLE.find(([pattern]) => pattern.test(start.executable));
  if (byExecutable !== undefined) return byExecutable[1];
  const release = await readTrusted(host, OS_RELEASE, 64 * 1024);
  const id = release.ok ? /^ID="?([a-z0-9._-]{1,64})"?$/m.exec(release.value.bytes.toString('latin1'))?.[1] : undefined;
  if (id === 'bottlerocket' || id === 'talos') return id;
  const flag = (name: string): string => start.flags.get(name)?.at(-1) ?? '';
  // On OpenShift this is the configuration, everywhere else a kubeconfig.
  if (flag('config') === '/etc/kubernetes/kubelet.conf') return 'openshift';
  // A kubeadm cluster on Azure has the file of the cloud as well.
  const isKubeadm = flag('kubeconfig') === '/etc/kubernetes/kubelet.conf';
  if (!isKubeadm && (await host.stat(AZURE)).ok) return 'aks';
  if (flag('config').startsWith('/etc/kubernetes/kubelet/')) return 'eks';
  if (flag('config').startsWith('/home/kubernetes/')) return 'gke';
  return isKubeadm ? 'kubeadm' : 'other';
}

/** The Kubernetes version of the kubelet, by where the program is, or by the package, snap or image that has it. */
export async function readKubeletVersion(host: Host, { executable }: KubeletStart): Promise<Observed<string>> {
  const inPath = /\/v?(1\.\d{1,3}\.\d{1,3})(?:[-+.][^/]*)?\//.exec(executable)?.[1];
  if (inPath !== undefined) return seen(inPath, executable);
  const snap = SNAP.exec(executable)?.[0];
  if (snap !== undefined) return readSnapVersion(host, `${snap}/meta/snap.yaml`);
  const found = await findDpkgPackage(host, ['kubelet'], executable);
  const version = /^(?:\d{1,4}:)?(1\.\d{1,3}\.\d{1,3})/.exec(found?.version ?? '')?.[1];
  return found === undefined || version === undefined
    ? readImageVersion(host, executable)
    : seen(version, found.source);
}

/** Where a snap is mounted: `/snap/microk8s/7900`. */
const SNAP = /^(?:\/var\/lib\/snapd)?\/snap\/[^/]+\/[^/]+/;
/** OpenShift 4.11 has Kubernetes 1.24, 4.16 has 1.29. */
const OPENSHIFT_OFFSET = 13;

/** The release of Kubernetes that an image of the operating system is built for, without the patch: `1.30`. */
async function readImageVersion(host: Host, executable: string): Promise<Observed<string>> {
  const read = await readTrusted(host, OS_RELEASE, 64 * 1024);
  const text = read.ok ? read.value.bytes.toString('latin1') : '';
  const bottlerocket = /^VARIANT_ID="?[a-z]+-k8s-(1\.\d{1,3})(?:-[a-z0-9-]+)?"?$/m.exec(text)?.[1];
  if (bottlerocket !== undefined) return seen(bottlerocket, OS_RELEASE);
  const openshift = /^OPENSHIFT_VERSION="?4\.(\d{1,2})"?$/m.exec(text)?.[1];
  return openshift === undefined
    ? absent(executable)
    : seen(`1.${String(Number(openshift) + OPENSHIFT_OFFSET)}`, OS_RELEASE);
}

/** `version: v1.32.3`, snapcraft.yaml(5). */
async function readSnapVersion(host: Host, path: string): Promise<Observed<string>> {
  const read = await readTrusted(host, path, 256 * 1024);
  const text = read.ok ? read.value.bytes.toString('latin1') : '';
  const version = /^version: ['"]?v?(1\.\d{1,3}\.\d{1,3})['"]?$/m.exec(text)?.[1];
  return version === undefined ? absent(path) : seen(version, path);
}
