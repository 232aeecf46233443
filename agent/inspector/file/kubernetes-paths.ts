import { allowedFileMode, chooseKubernetesBenchmark } from '../../../posture/benchmark/kubernetes-benchmark.ts';
import { absent } from '../../../posture/observed.ts';
import type { Distribution, KubeletFact } from '../../../posture/fact/kubelet.ts';
import type { Host } from '../../host/host.ts';
import { rancherDirectory } from '../kubelet/distribution.ts';
import { findUnit } from '../systemd/find-unit.ts';
import { unitValues } from '../systemd/unit-file.ts';
import type { RolePath } from './paths.ts';

const AZURE = '/etc/kubernetes/azure.json';

/**
 * Credentials of a kubelet or kube-proxy that is a part of a larger program, or whose pod has them from the host. Those
 * of k3s and RKE2 are in their data directory.
 */
const FIXED: Readonly<Partial<Record<Distribution, readonly (readonly [JudgedRole, string])[]>>> = Object.freeze({
  gke: [['kubeProxyKubeconfig', '/var/lib/kube-proxy/kubeconfig']],
  k3s: [
    ['kubeletKubeconfig', 'agent/kubelet.kubeconfig'],
    ['kubeletClientCa', 'agent/client-ca.crt'],
    ['kubeProxyKubeconfig', 'agent/kubeproxy.kubeconfig'],
  ],
  microk8s: [['kubeProxyKubeconfig', '/var/snap/microk8s/current/credentials/proxy.config']],
  rke2: [['kubeProxyKubeconfig', 'agent/kubeproxy.kubeconfig']],
});

/** Settings that name a file. */
const SETTINGS = [
  ['kubeletKubeconfig', '--kubeconfig'],
  ['kubeletClientCa', 'authentication.x509.clientCAFile'],
] as const;

/** The files of the kubelet and of kube-proxy, by what their processes were started with. */
export async function kubernetesPaths(host: Host, kubelet: KubeletFact): Promise<readonly RolePath[]> {
  if (kubelet.process.state !== 'seen') return [];
  const { distribution, settings, files, proxies } = kubelet;
  const directory =
    distribution === 'k3s' || distribution === 'rke2'
      ? `${rancherDirectory(distribution, kubelet.process.value.executable)}/`
      : '';
  const fixed = (FIXED[distribution] ?? []).map(([role, path]) => [role, directory + path] as const);
  const proxyPaths = proxies.state === 'seen' ? proxies.value.map(({ kubeconfig }) => kubeconfig) : [];
  const paths: readonly RolePath[] = [
    ...(await unitPaths(host, kubelet)),
    ...SETTINGS.flatMap(([role, name]) => {
      // Where a program hides its arguments, the file has a fixed place.
      const isFixed = fixed.some(([of]) => of === role) && settings[name]?.state === 'unreadable';
      return isFixed ? [] : settingPath(role, settings[name]);
    }),
    ...proxyPaths.flatMap((path) => settingPath('kubeProxyKubeconfig', path)),
    ...fixed.map(([role, path]): RolePath => ({ role, path, isOptional: true })),
    ...files.map(({ path }): RolePath => ({ role: 'kubeletConfig', path })),
    ...(distribution === 'aks' ? [{ role: 'azureCloudConfig', path: AZURE } as const] : []),
  ];
  // Its containers are not needed: they name the version only where no package does.
  const benchmark = chooseKubernetesBenchmark(kubelet, absent('containers'))?.id ?? '';
  const expectedMode = (role: RolePath['role']): Pick<RolePath, 'expectedMode'> =>
    role.startsWith('kube') ? { expectedMode: allowedFileMode(role as JudgedRole, benchmark) } : {};
  return paths.map((path) => Object.assign({}, path, expectedMode(path.role)));
}

type JudgedRole = Parameters<typeof allowedFileMode>[0];

/** The file that a setting names; nothing where it names none, and its place where it is not known. */
function settingPath(
  role: RolePath['role'],
  setting: KubeletFact['settings'][string] | undefined,
): readonly RolePath[] {
  if (setting?.state === 'unreadable') return [{ role, path: setting.source, unread: setting.reason }];
  if (setting?.state !== 'seen' || setting.value === '') return [];
  if (setting.value.startsWith('/')) return [{ role, path: setting.value }];
  return [{ role, path: setting.source, unread: 'a relative path: where it leads is not known' }];
}

/** The unit with its drop-ins, and the environment files that it names. */
async function unitPaths(host: Host, { unit }: KubeletFact): Promise<readonly RolePath[]> {
  const role = 'kubeletUnit';
  if (unit.state === 'unreadable') return [{ role, path: unit.source, unread: unit.reason }];
  const found = unit.state === 'seen' ? await findUnit(host, unit.value) : undefined;
  if (found === undefined) return [];
  if (!('path' in found)) return [{ role, path: unit.source, unread: found.reason }];
  const environment = unitValues(found.settings, 'Service', 'EnvironmentFile')
    // A file behind `-` may be missing; patterns and specifiers are not resolved.
    .map((value) => value.replace(/^-/, ''))
    .filter((path) => path.startsWith('/') && !/[%*?[]/.test(path));
  return [
    ...[found.path, ...found.dropIns].map((path): RolePath => ({ role, path })),
    ...environment.map((path): RolePath => ({ role, path, isOptional: true })),
    ...found.unread.map(({ path, reason }): RolePath => ({ role, path, unread: reason })),
  ];
}
