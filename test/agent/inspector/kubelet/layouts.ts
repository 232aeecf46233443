import type { Distribution, KubeletFact } from '../../../../posture/fact/kubelet.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import type { MadeProcess } from '../../../fixture/inspector/daemon.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

/** The pid of the kubelet in each layout. */
export const KUBELET_PID = 712;

/** A node as a distribution builds it, and what is true of it by the documents of that distribution. */
export interface Layout {
  readonly name: string;
  readonly tree: Tree;
  readonly distribution: Distribution;
  readonly benchmark: string;
  readonly version?: string;
  readonly program?: Extract<KubeletFact['process'], { readonly state: 'seen' }>['value']['program'];
  /** Values of settings; undefined: not known. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  /** `role path` of the files that are judged. */
  readonly files: readonly string[];
}

const HEAD = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';
const WEBHOOK = 'authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: ';

function node(executable: string, args: readonly string[], more: MadeProcess = {}): Tree {
  return {
    ...NODE_TREE,
    [executable]: '',
    ...processTree(KUBELET_PID, {
      comm: 'kubelet',
      exe: executable,
      cmdline: [executable, ...args, ''].join('\0'),
      sockets: [],
      ...more,
    }),
  };
}

const service = (more = ''): string => `[Service]\n${more}ExecStart=/usr/bin/kubelet\n`;

/** Layouts by the documents of each distribution; `dpkg` names the version where packages install the kubelet. */
export const LAYOUTS: readonly Layout[] = [
  {
    name: 'kubeadm on Debian and Ubuntu',
    distribution: 'kubeadm',
    benchmark: 'cis-kubernetes-1.12',
    version: '1.33.2',
    tree: {
      ...node('/usr/bin/kubelet', [
        '--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf',
        '--kubeconfig=/etc/kubernetes/kubelet.conf',
        '--config=/var/lib/kubelet/config.yaml',
        '--pod-infra-container-image=registry.k8s.io/pause:3.10',
      ]),
      '/var/lib/kubelet/config.yaml': `${HEAD}${WEBHOOK}/etc/kubernetes/pki/ca.crt}}\nrotateCertificates: true\n`,
      '/etc/kubernetes/kubelet.conf': 'apiVersion: v1\nkind: Config\n',
      '/etc/kubernetes/pki/ca.crt': 'x',
      '/usr/lib/systemd/system/kubelet.service': service(),
      '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf':
        '[Service]\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nEnvironmentFile=-/etc/default/kubelet\n',
      '/var/lib/kubelet/kubeadm-flags.env': 'KUBELET_KUBEADM_ARGS=""\n',
      '/var/lib/dpkg/status': 'Package: kubelet\nStatus: hold ok installed\nVersion: 1.33.2-1.1\n\n',
      '/var/lib/dpkg/info/kubelet.list': '/.\n/usr/bin/kubelet\n',
    },
    settings: {
      'authentication.anonymous.enabled': 'false',
      'authorization.mode': 'Webhook',
      readOnlyPort: '0',
      rotateCertificates: 'true',
      eventRecordQPS: '50',
    },
    files: [
      'kubeletUnit /usr/lib/systemd/system/kubelet.service',
      'kubeletUnit /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf',
      'kubeletUnit /var/lib/kubelet/kubeadm-flags.env',
      'kubeletKubeconfig /etc/kubernetes/kubelet.conf',
      'kubeletClientCa /etc/kubernetes/pki/ca.crt',
      'kubeletConfig /var/lib/kubelet/config.yaml',
    ],
  },
  {
    name: 'Flatcar: a read-only /usr, the program in /opt',
    distribution: 'kubeadm',
    benchmark: 'cis-kubernetes-2.0.0',
    tree: {
      ...node('/opt/bin/kubelet', [
        '--kubeconfig=/etc/kubernetes/kubelet.conf',
        '--config=/var/lib/kubelet/config.yaml',
      ]),
      '/var/lib/kubelet/config.yaml': HEAD,
      '/etc/systemd/system/kubelet.service': service(),
    },
    settings: { 'authentication.anonymous.enabled': 'false', eventRecordQPS: undefined },
    files: [
      'kubeletUnit /etc/systemd/system/kubelet.service',
      'kubeletKubeconfig /etc/kubernetes/kubelet.conf',
      'kubeletConfig /var/lib/kubelet/config.yaml',
    ],
  },
  {
    name: 'EKS on Amazon Linux 2023: JSON with a drop-in directory',
    distribution: 'eks',
    benchmark: 'cis-eks-1.8.0',
    tree: {
      ...node('/usr/bin/kubelet', [
        '--config=/etc/kubernetes/kubelet/config.json',
        '--config-dir=/etc/kubernetes/kubelet/config.json.d',
        '--kubeconfig=/var/lib/kubelet/kubeconfig',
        '--hostname-override=ip-10-0-0-1.ec2.internal',
      ]),
      '/etc/kubernetes/kubelet/config.json': JSON.stringify({
        kind: 'KubeletConfiguration',
        apiVersion: 'kubelet.config.k8s.io/v1beta1',
        readOnlyPort: 0,
        authentication: { x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' } },
      }),
      '/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf': `${HEAD}podPidsLimit: 1024\n`,
      '/etc/kubernetes/kubelet/config.json.d/README': 'no configuration',
    },
    settings: { podPidsLimit: '1024', readOnlyPort: '0', '--hostname-override': 'ip-10-0-0-1.ec2.internal' },
    files: [
      'kubeletKubeconfig /var/lib/kubelet/kubeconfig',
      'kubeletClientCa /etc/kubernetes/pki/ca.crt',
      'kubeletConfig /etc/kubernetes/kubelet/config.json',
      'kubeletConfig /etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf',
    ],
  },
  {
    name: 'Bottlerocket',
    distribution: 'bottlerocket',
    benchmark: 'cis-eks-1.8.0',
    version: '1.26',
    tree: {
      ...node('/usr/bin/kubelet', [
        '--config',
        '/etc/kubernetes/kubelet/config',
        '--kubeconfig',
        '/etc/kubernetes/kubelet/kubeconfig',
      ]),
      '/etc/kubernetes/kubelet/config': `---\n${HEAD}${WEBHOOK}/etc/kubernetes/pki/ca.crt}}\n`,
      '/etc/os-release': 'NAME=Bottlerocket\nID=bottlerocket\nVARIANT_ID=aws-k8s-1.26-nvidia\n',
    },
    settings: { 'authentication.anonymous.enabled': 'false', eventRecordQPS: '5' },
    files: [
      'kubeletKubeconfig /etc/kubernetes/kubelet/kubeconfig',
      'kubeletClientCa /etc/kubernetes/pki/ca.crt',
      'kubeletConfig /etc/kubernetes/kubelet/config',
    ],
  },
  {
    name: 'GKE on Container-Optimized OS',
    distribution: 'gke',
    benchmark: 'cis-gke-1.9.0',
    tree: {
      ...node('/home/kubernetes/bin/kubelet', [
        '--config=/home/kubernetes/kubelet-config.yaml',
        '--kubeconfig=/var/lib/kubelet/kubeconfig',
      ]),
      // GKE opens the read-only port for its own monitoring.
      '/home/kubernetes/kubelet-config.yaml': `${HEAD}readOnlyPort: 10255\n${WEBHOOK}/etc/srv/kubernetes/pki/ca-certificates.crt}}\n`,
      '/var/lib/kube-proxy/kubeconfig': 'x',
    },
    settings: { readOnlyPort: '10255' },
    files: [
      'kubeletKubeconfig /var/lib/kubelet/kubeconfig',
      'kubeletClientCa /etc/srv/kubernetes/pki/ca-certificates.crt',
      'kubeProxyKubeconfig /var/lib/kube-proxy/kubeconfig',
      'kubeletConfig /home/kubernetes/kubelet-config.yaml',
    ],
  },
  {
    name: 'AKS: flags only, with a file of the cloud beside them',
    distribution: 'aks',
    benchmark: 'cis-aks-1.8',
    tree: {
      ...node('/usr/local/bin/kubelet', [
        '--anonymous-auth=false',
        '--authorization-mode=Webhook',
        '--client-ca-file=/etc/kubernetes/certs/ca.crt',
        '--kubeconfig=/var/lib/kubelet/kubeconfig',
        '--read-only-port=0',
      ]),
      // kube-bench reads this as the configuration of the kubelet.
      '/etc/kubernetes/azure.json': '{"aadClientSecret":"x"}',
    },
    settings: {
      'authentication.anonymous.enabled': 'false',
      'authentication.webhook.enabled': 'false',
      readOnlyPort: '0',
    },
    files: [
      'kubeletKubeconfig /var/lib/kubelet/kubeconfig',
      'kubeletClientCa /etc/kubernetes/certs/ca.crt',
      'azureCloudConfig /etc/kubernetes/azure.json',
    ],
  },
  {
    name: 'OpenShift: kubelet.conf is the configuration',
    distribution: 'openshift',
    benchmark: 'cis-openshift-1.8',
    version: '1.29',
    tree: {
      ...node('/usr/bin/kubelet', [
        '--config=/etc/kubernetes/kubelet.conf',
        '--kubeconfig=/var/lib/kubelet/kubeconfig',
      ]),
      '/etc/kubernetes/kubelet.conf': `${HEAD}${WEBHOOK}/etc/kubernetes/kubelet-ca.crt}}\nserverTLSBootstrap: true\n`,
      '/etc/os-release': 'ID="rhcos"\nVERSION="416.94.202501270445-0"\nOPENSHIFT_VERSION="4.16"\n',
    },
    settings: { serverTLSBootstrap: 'true', eventRecordQPS: '50' },
    files: [
      'kubeletKubeconfig /var/lib/kubelet/kubeconfig',
      'kubeletClientCa /etc/kubernetes/kubelet-ca.crt',
      'kubeletConfig /etc/kubernetes/kubelet.conf',
    ],
  },
  {
    name: 'RKE2: a kubelet below a directory that names its version',
    distribution: 'rke2',
    benchmark: 'cis-rke2-1.8',
    version: '1.32.3',
    tree: {
      ...node(
        '/var/lib/rancher/rke2/data/v1.32.3-rke2r1-0a1b2c/bin/kubelet',
        [
          '--config-dir=/var/lib/rancher/rke2/agent/etc/kubelet.conf.d',
          '--kubeconfig=/var/lib/rancher/rke2/agent/kubelet.kubeconfig',
          '--hostname-override=n',
        ],
        { cgroup: '0::/system.slice/rke2-agent.service\n' },
      ),
      '/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf': `${HEAD}${WEBHOOK}/var/lib/rancher/rke2/agent/client-ca.crt}}\n`,
      '/var/lib/rancher/rke2/agent/kubeproxy.kubeconfig': 'x',
      '/usr/local/lib/systemd/system/rke2-agent.service': service('EnvironmentFile=-/etc/default/%N\n'),
    },
    // Without --config the older defaults hold: releases of early 2025 opened the port, which kube-bench passed.
    settings: {
      'authentication.anonymous.enabled': 'false',
      'authorization.mode': 'AlwaysAllow',
      readOnlyPort: '10255',
    },
    files: [
      'kubeletUnit /usr/local/lib/systemd/system/rke2-agent.service',
      'kubeletKubeconfig /var/lib/rancher/rke2/agent/kubelet.kubeconfig',
      'kubeletClientCa /var/lib/rancher/rke2/agent/client-ca.crt',
      'kubeProxyKubeconfig /var/lib/rancher/rke2/agent/kubeproxy.kubeconfig',
      'kubeletConfig /var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf',
    ],
  },
  {
    name: 'k3s: a kubelet within, arguments hidden',
    distribution: 'k3s',
    benchmark: 'cis-k3s-1.9',
    program: 'k3s',
    tree: {
      ...node('/var/lib/rancher/k3s/data/0a1b2c/bin/k3s', [], {
        comm: 'k3s-server',
        cmdline: '/usr/local/bin/k3s server\0',
        cgroup: '0::/system.slice/k3s.service\n',
      }),
      '/etc/systemd/system/k3s.service':
        "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n        '--kubelet-arg' \\\n        'pod-max-pids=2048' \\\n",
      '/etc/rancher/k3s/config.yaml': 'kubelet-arg:\n  - "seccomp-default=true"\n',
      '/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf': `${HEAD}${WEBHOOK}/var/lib/rancher/k3s/agent/client-ca.crt}}\n`,
      '/var/lib/rancher/k3s/agent/kubelet.kubeconfig': 'x',
      '/var/lib/rancher/k3s/agent/kubeproxy.kubeconfig': 'x',
    },
    settings: {
      'authentication.anonymous.enabled': 'false',
      'authorization.mode': undefined,
      podPidsLimit: '2048',
      // No socket on 10255.
      readOnlyPort: '0',
      seccompDefault: 'true',
    },
    files: [
      'kubeletUnit /etc/systemd/system/k3s.service',
      'kubeletClientCa /var/lib/rancher/k3s/agent/client-ca.crt',
      'kubeletKubeconfig /var/lib/rancher/k3s/agent/kubelet.kubeconfig',
      'kubeProxyKubeconfig /var/lib/rancher/k3s/agent/kubeproxy.kubeconfig',
      'kubeletConfig /etc/rancher/k3s/config.yaml',
      'kubeletConfig /var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf',
    ],
  },
  {
    name: 'k3s with --data-dir, beside what an earlier installation left',
    distribution: 'k3s',
    benchmark: 'cis-k3s-1.9',
    program: 'k3s',
    tree: {
      ...node('/opt/k3s/data/0a1b2c/bin/k3s', [], {
        comm: 'k3s-agent',
        cmdline: '/usr/local/bin/k3s agent\0',
        cgroup: '0::/system.slice/k3s-agent.service\n',
      }),
      '/etc/systemd/system/k3s-agent.service': '[Service]\nExecStart=/usr/local/bin/k3s agent --data-dir /opt/k3s\n',
      '/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf': `${HEAD}podPidsLimit: 7\n`,
      '/opt/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf': `${HEAD}${WEBHOOK}/opt/k3s/agent/client-ca.crt}}\n`,
      '/opt/k3s/agent/kubelet.kubeconfig': 'x',
      '/opt/k3s/agent/kubeproxy.kubeconfig': 'x',
    },
    settings: {
      'authentication.x509.clientCAFile': '/opt/k3s/agent/client-ca.crt',
      podPidsLimit: undefined,
    },
    files: [
      'kubeletUnit /etc/systemd/system/k3s-agent.service',
      'kubeletClientCa /opt/k3s/agent/client-ca.crt',
      'kubeletKubeconfig /opt/k3s/agent/kubelet.kubeconfig',
      'kubeProxyKubeconfig /opt/k3s/agent/kubeproxy.kubeconfig',
      'kubeletConfig /opt/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf',
    ],
  },
  {
    name: 'RKE2 with --data-dir',
    distribution: 'rke2',
    benchmark: 'cis-rke2-1.8',
    version: '1.33.1',
    tree: {
      ...node('/data/rke2/data/v1.33.1-rke2r1-5a6b7c/bin/kubelet', [
        '--kubeconfig=/data/rke2/agent/kubelet.kubeconfig',
      ]),
      '/data/rke2/agent/kubeproxy.kubeconfig': 'x',
    },
    settings: { readOnlyPort: '10255' },
    files: [
      'kubeletKubeconfig /data/rke2/agent/kubelet.kubeconfig',
      'kubeProxyKubeconfig /data/rke2/agent/kubeproxy.kubeconfig',
    ],
  },
  {
    name: 'kubeadm on Azure: the file of the cloud does not make it AKS',
    distribution: 'kubeadm',
    benchmark: 'cis-kubernetes-2.0.0',
    tree: {
      ...node('/usr/bin/kubelet', [
        '--config=/var/lib/kubelet/config.yaml',
        '--kubeconfig=/etc/kubernetes/kubelet.conf',
        '--cloud-provider=external',
      ]),
      '/var/lib/kubelet/config.yaml': HEAD,
      '/etc/kubernetes/azure.json': '{}',
    },
    settings: { 'authentication.anonymous.enabled': 'false' },
    files: ['kubeletKubeconfig /etc/kubernetes/kubelet.conf', 'kubeletConfig /var/lib/kubelet/config.yaml'],
  },
  {
    name: 'MicroK8s: kubelite with a file of arguments',
    distribution: 'microk8s',
    benchmark: 'cis-microk8s-1.24',
    program: 'kubelite',
    version: '1.32.3',
    tree: {
      ...node(
        '/snap/microk8s/7900/kubelite',
        ['--scheduler-args-file=/x', '--kubelet-args-file=/var/snap/microk8s/7900/args/kubelet'],
        {
          comm: 'kubelite',
        },
      ),
      '/snap/microk8s/7900/meta/snap.yaml': 'name: microk8s\nversion: v1.32.3\n',
      '/var/snap/microk8s/7900/args/kubelet':
        '# comment\n--kubeconfig=${SNAP_DATA}/credentials/kubelet.config\n--client-ca-file=${SNAP_DATA}/certs/ca.crt\n--anonymous-auth=false\n--eviction-hard="memory.available<100Mi,nodefs.available<1Gi"\n',
    },
    settings: {
      'authentication.anonymous.enabled': 'false',
      'authorization.mode': 'AlwaysAllow',
      evictionHard: 'memory.available=100Mi,nodefs.available=1Gi',
    },
    files: [
      'kubeletKubeconfig /var/snap/microk8s/7900/credentials/kubelet.config',
      'kubeletClientCa /var/snap/microk8s/7900/certs/ca.crt',
      'kubeletConfig /var/snap/microk8s/7900/args/kubelet',
    ],
  },
  {
    name: 'k0s: a kubelet of its own under another supervisor',
    distribution: 'k0s',
    benchmark: 'cis-kubernetes-2.0.0',
    tree: {
      ...node(
        '/var/lib/k0s/bin/kubelet',
        ['--config=/run/k0s/kubelet/config.yaml', '--kubeconfig=/var/lib/k0s/kubelet.conf'],
        {
          cgroup: '0::/system.slice/k0sworker.service\n',
        },
      ),
      '/run/k0s/kubelet/config.yaml': `${HEAD}serverTLSBootstrap: true\n`,
      '/etc/systemd/system/k0sworker.service': service(),
    },
    settings: { serverTLSBootstrap: 'true' },
    files: [
      'kubeletUnit /etc/systemd/system/k0sworker.service',
      'kubeletKubeconfig /var/lib/k0s/kubelet.conf',
      'kubeletConfig /run/k0s/kubelet/config.yaml',
    ],
  },
  {
    name: 'kind: the node is a container itself',
    distribution: 'kubeadm',
    benchmark: 'cis-kubernetes-2.0.0',
    tree: {
      ...node(
        '/usr/bin/kubelet',
        ['--config=/var/lib/kubelet/config.yaml', '--kubeconfig=/etc/kubernetes/kubelet.conf'],
        {
          cgroup: `0::/docker/${'ab'.repeat(32)}/kubelet.slice/kubelet.service\n`,
        },
      ),
      '/proc/1/cgroup': `0::/docker/${'ab'.repeat(32)}/init.scope\n`,
      '/var/lib/kubelet/config.yaml': HEAD,
    },
    settings: { 'authentication.anonymous.enabled': 'false' },
    files: ['kubeletKubeconfig /etc/kubernetes/kubelet.conf', 'kubeletConfig /var/lib/kubelet/config.yaml'],
  },
];
