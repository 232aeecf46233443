import { observed } from '../observed.ts';
import * as s from '../schema.ts';
import { probeSchema } from './listener.ts';

/** How a node is built, as far as its files say it. `other`: none of those that are known. */
export const DISTRIBUTIONS = [
  'aks',
  'bottlerocket',
  'eks',
  'gke',
  'k0s',
  'k3s',
  'kubeadm',
  'microk8s',
  'openshift',
  'other',
  'rke2',
  'talos',
] as const;
/** One of {@link DISTRIBUTIONS}. */
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** The process that is the kubelet of the node, or that has it within. */
export const kubeletProcessSchema = s.object({
  pid: s.integer('process id'),
  startedAtMs: s.integer('start time, milliseconds since 1970; 0 if unknown'),
  executable: s.string('path of the program', 4096),
  program: s.oneOf(['kubelet', 'k3s', 'kubelite'], 'k3s, kubelite: the kubelet is a part of that program'),
});
/** See {@link kubeletProcessSchema}. */
export type KubeletProcess = s.Infer<typeof kubeletProcessSchema>;

/** A file that the kubelet takes its settings from. */
export const kubeletConfigFileSchema = s.object({
  path: s.string('path of the file on the host', 4096),
  modifiedAtMs: s.integer('last modification, milliseconds since 1970'),
});

/** A TCP socket on which the kubelet listens. */
export const kubeletListenerSchema = s.object({
  address: s.string('bound address, `0.0.0.0`, `::`, `127.0.0.1`', 64),
  port: s.integer('TCP port number'),
  loopback: s.boolean('bound to loopback only'),
});

/** A kube-proxy on the network of the node. */
export const kubeProxySchema = s.object({
  pid: s.integer('process id; 0: there are more than are listed'),
  container: s.boolean('true: it runs in a container, which brings its credentials along'),
  kubeconfig: observed(
    s.string('', 4096),
    'path of its credentials on the host; absent: it names none, or runs in a container',
  ),
  listeners: observed(s.list(kubeletListenerSchema, '', 256), 'TCP sockets that the process listens on'),
});

/** `IPAddressAllow` and `IPAddressDeny` of a unit and the slices above it, systemd.resource-control(5). */
export const addressFilterSchema = s.object({
  allow: s.list(s.string('`any`, `localhost`, `192.0.2.0/24`', 64), 'let in, also where `deny` has them', 256),
  deny: s.list(s.string('`any`, `localhost`, `192.0.2.0/24`', 64), 'refused', 256),
  modifiedAtMs: s.integer('newest modification of the files, milliseconds since 1970; 0: they set nothing'),
});

/** The kubelet of the node: its effective configuration, and what it does. */
export const kubeletSchema = s.object(
  {
    process: observed(kubeletProcessSchema, 'the kubelet process; absent: the node has no kubelet'),
    distribution: s.oneOf(DISTRIBUTIONS, 'how the node is built, by its files'),
    version: observed(
      s.string('`1.33.2`, `1.33` where only the release is known', 64),
      'Kubernetes version of the kubelet; absent: no source names it',
    ),
    settings: s.record(
      observed(s.string('lists and maps joined by commas', 16_384)),
      'effective settings that checks read: fields of KubeletConfiguration by path (`authentication.anonymous.enabled`), and flags without a field (`--hostname-override`); the source is the file or flag that decides, or `default`; a setting without value is empty',
      64,
    ),
    files: s.list(kubeletConfigFileSchema, 'configuration files in the order in which they apply', 128),
    listeners: observed(s.list(kubeletListenerSchema, '', 256), 'TCP sockets that the process listens on'),
    api: observed(
      probeSchema,
      'what a client without credentials found on the port of the kubelet API; absent: the kubelet does not listen there',
    ),
    unit: observed(
      s.string('`kubelet.service`', 256),
      'the systemd service that runs the process; absent: it is in none',
    ),
    addressFilter: observed(
      addressFilterSchema,
      'by which addresses systemd lets the unit be reached, by its files; absent: the process is in no unit',
    ),
    proxies: observed(s.list(kubeProxySchema, '', 16), 'processes called kube-proxy on the network of the node'),
    clientCertificateAuthorities: observed(
      s.integer(),
      'certificates of authorities in the file by which clients are verified; absent: no such file is set, or it does not exist',
    ),
  },
  'the kubelet',
);
/** See {@link kubeletSchema}. */
export type KubeletFact = s.Infer<typeof kubeletSchema>;
