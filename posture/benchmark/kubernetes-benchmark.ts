import type { ContainersFact } from '../fact/container.ts';
import type { FileRole } from '../fact/file.ts';
import type { Distribution, KubeletFact } from '../fact/kubelet.ts';

/** The benchmark of Kubernetes that fits a node, and why. */
export interface ChosenBenchmark {
  readonly id: string;
  /** `kubelet 1.33.2 of kubeadm` */
  readonly reason: string;
}

/** The first minor version of Kubernetes that each benchmark is made for, newest first. */
const BY_MINOR: readonly (readonly [number, string])[] = [
  [35, 'cis-kubernetes-2.0.0'],
  [32, 'cis-kubernetes-1.12'],
  [29, 'cis-kubernetes-1.11'],
  [28, 'cis-kubernetes-1.10'],
  [27, 'cis-kubernetes-1.9'],
  [26, 'cis-kubernetes-1.8'],
  [25, 'cis-kubernetes-1.7'],
  [0, 'cis-kubernetes-1.24'],
];

/** The releases of Kubernetes that the newest and the oldest benchmark are made for. */
const NEWEST_MINOR = 35;
const OLDEST_MINOR = 24;

/** Distributions with a benchmark of their own; others are judged by that of their version. */
const BY_DISTRIBUTION: Readonly<Partial<Record<Distribution, string>>> = Object.freeze({
  aks: 'cis-aks-1.8',
  bottlerocket: 'cis-eks-1.8.0',
  eks: 'cis-eks-1.8.0',
  gke: 'cis-gke-1.9.0',
  k3s: 'cis-k3s-1.9',
  microk8s: 'cis-microk8s-1.24',
  openshift: 'cis-openshift-1.8',
  rke2: 'cis-rke2-1.8',
});

/** The benchmark for a node; undefined where no kubelet of it was found. */
export function chooseKubernetesBenchmark(
  kubelet: KubeletFact,
  containers: ContainersFact,
): ChosenBenchmark | undefined {
  if (kubelet.process.state !== 'seen') return undefined;
  const version = kubernetesVersion(kubelet, containers);
  const name = kubelet.distribution === 'other' ? '' : ` of ${kubelet.distribution}`;
  const program = `kubelet${version === undefined ? '' : ` ${version}`}${name}`;
  const own = BY_DISTRIBUTION[kubelet.distribution];
  if (own !== undefined) return { id: own, reason: program };
  if (version === undefined)
    return { id: 'cis-kubernetes-2.0.0', reason: `${program}; the newest, since its version is not known` };
  const minor = Number(version.split('.')[1]);
  const id = BY_MINOR.find(([first]) => minor >= first)?.[1] ?? 'cis-kubernetes-2.0.0';
  if (minor > NEWEST_MINOR)
    return { id, reason: `${program}; the newest, made for Kubernetes 1.${String(NEWEST_MINOR)}` };
  if (minor < OLDEST_MINOR)
    return { id, reason: `${program}; the oldest, made for Kubernetes 1.${String(OLDEST_MINOR)}` };
  return { id, reason: program };
}

/** Files whose mode a benchmark of Kubernetes judges. */
type JudgedRole = Extract<FileRole, `kube${string}`>;

const MANAGED = ['cis-aks-1.8', 'cis-eks-1.7.0', 'cis-eks-1.8.0', 'cis-gke-1.9.0'];

/** Benchmarks that allow everybody to read these files; the others allow 0600. */
const READABLE: Readonly<Record<JudgedRole, readonly string[]>> = Object.freeze({
  kubeProxyKubeconfig: ['cis-openshift-1.8'],
  kubeletClientCa: [
    'cis-kubernetes-1.11',
    'cis-kubernetes-1.12',
    'cis-kubernetes-2.0.0',
    'cis-openshift-1.8',
    ...MANAGED,
  ],
  kubeletConfig: MANAGED,
  kubeletKubeconfig: [...MANAGED, 'cis-openshift-1.8'],
  kubeletUnit: [...MANAGED, 'cis-openshift-1.8'],
});

/** The permission bits that a benchmark allows for a file of the kubelet. */
export function allowedFileMode(role: JudgedRole, benchmark: string): number {
  return READABLE[role].includes(benchmark) ? 0o644 : 0o600;
}

/** Where nothing on the node names the version of the kubelet: that of the kube-proxy which the cluster runs on it. */
function kubernetesVersion({ version }: KubeletFact, containers: ContainersFact): string | undefined {
  if (version.state === 'seen') return version.value;
  if (containers.state !== 'seen') return undefined;
  for (const { namespace, pod, image } of containers.value) {
    if (namespace !== 'kube-system' || !pod.startsWith('kube-proxy-')) continue;
    const found = /kube-proxy[^:@]{0,64}:v?(1\.\d{1,3}\.\d{1,3})/.exec(image)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}
