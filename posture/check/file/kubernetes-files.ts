import type { CheckedFile, ModeRule } from './mode-and-owner.ts';

/** What the benchmark of the node allows. Whoever can read the file can do less harm than who can write it. */
function rule(text: Pick<ModeRule, 'severity' | 'rationale' | 'remediation'>, milder: 'low' | 'medium'): ModeRule {
  return {
    ...text,
    allowed: ({ expectedMode }) => expectedMode ?? 0o600,
    milder: { allowed: 0o644, severity: milder, when: 'others can read the file, and not write it' },
  };
}

/** The files of the kubelet and of kube-proxy. */
export const KUBERNETES_FILES: readonly CheckedFile[] = Object.freeze([
  {
    role: 'azureCloudConfig',
    id: 'azure-cloud-config',
    name: 'azure.json',
    path: '/etc/kubernetes/azure.json',
    mode: {
      severity: 'high',
      allowed: 0o644,
      rationale:
        'The file tells the cloud provider of the node which subscription and identity to use, and may hold the secret of a service principal.',
      advice: 'Use 0600 where it holds a secret.',
    },
    owner: {
      severity: 'high',
      rationale: 'The owner of the file chooses the identity with which the node acts in the cloud.',
    },
  },
  {
    role: 'kubeProxyKubeconfig',
    id: 'kube-proxy-kubeconfig',
    name: 'kube-proxy kubeconfig',
    path: 'the file that --kubeconfig of kube-proxy names',
    mode: rule(
      {
        severity: 'high',
        rationale:
          'With the credentials of kube-proxy an account reads the services and endpoints of the whole cluster.',
        remediation:
          'Run chmod 0600 on the kubeconfig of kube-proxy (--kubeconfig, or clientConnection.kubeconfig in its file).',
      },
      'medium',
    ),
    owner: {
      severity: 'medium',
      rationale:
        'The owner of the file can point kube-proxy to an API server of his own, which then routes the traffic.',
    },
  },
  {
    role: 'kubeletClientCa',
    id: 'kubelet-client-ca',
    name: 'kubelet client CA file',
    path: 'the file that clientCAFile of the kubelet names',
    mode: {
      ...rule(
        {
          severity: 'high',
          rationale:
            'Whoever can write this file adds an authority of his own and then commands the kubelet with certificates that he issues.',
          remediation:
            'Run chmod 0644 on the file of clientCAFile (kubeadm: /etc/kubernetes/pki/ca.crt); benchmarks before 1.11 ask for 0600, although the certificate is public.',
        },
        'low',
      ),
      milder: { allowed: 0o644, severity: 'info', when: 'others can read the certificate, which is public' },
    },
    owner: {
      severity: 'high',
      rationale: 'The owner of the file decides which client certificates the kubelet accepts.',
    },
  },
  {
    role: 'kubeletConfig',
    id: 'kubelet-config',
    name: 'kubelet configuration',
    path: 'the files of --config and --config-dir of the kubelet',
    mode: rule(
      {
        severity: 'high',
        rationale:
          'Write access to the configuration opens the kubelet at its next start: anonymous requests, static pods with any privilege.',
        remediation:
          'Run chmod 0600 on the files of --config and --config-dir (kubeadm: /var/lib/kubelet/config.yaml). On EKS and GKE 0644 is allowed.',
      },
      'low',
    ),
    owner: {
      severity: 'high',
      rationale: 'The owner of a configuration file of the kubelet controls the node from its next start.',
    },
  },
  {
    role: 'kubeletKubeconfig',
    id: 'kubelet-kubeconfig',
    name: 'kubelet kubeconfig',
    path: 'the file that --kubeconfig of the kubelet names',
    mode: rule(
      {
        severity: 'high',
        rationale:
          'The file holds or names the credentials of the node: with them an account reads the secrets of all pods on it and changes their status.',
        remediation:
          'Run chmod 0600 on the kubeconfig of the kubelet (kubeadm: /etc/kubernetes/kubelet.conf). On EKS, GKE, AKS and OpenShift 0644 is allowed.',
      },
      'medium',
    ),
    owner: {
      severity: 'high',
      rationale:
        'The owner of the file can direct the kubelet to an API server of his own, which then starts any pod on the node.',
    },
  },
  {
    role: 'kubeletUnit',
    id: 'kubelet-unit',
    name: 'kubelet service unit',
    path: 'the unit, its drop-ins and environment files',
    mode: rule(
      {
        severity: 'high',
        rationale:
          'Write access to the unit, a drop-in or an environment file sets the command that systemd runs as root.',
        remediation:
          'Run chmod 0600 on the unit of the kubelet, its drop-ins and its environment files; packages install them with 0644, so repeat it after updates or use a drop-in of your own.',
      },
      'low',
    ),
    owner: {
      severity: 'high',
      rationale: 'systemd runs the commands of the unit as root: whoever owns one of its files can start any program.',
    },
  },
]);
