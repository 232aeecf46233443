import type { Distribution, KubeletFact } from '../../fact/kubelet.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { isoTime, quote } from '../evidence-text.ts';

/** One effective setting of the kubelet, or why it is not known. */
export type KubeletSetting =
  | {
      readonly known: true;
      readonly value: string;
      readonly source: string;
      /** Why the running kubelet may have another value; empty where it has this one. */
      readonly doubt: string;
    }
  | { readonly known: false; readonly reason: string };

/** The required value of one setting. */
export interface KubeletRule {
  /** As the fact names it: `authentication.anonymous.enabled`, `--hostname-override`. */
  readonly setting: string;
  readonly expected: string;
  readonly accepts: (value: string) => boolean;
  /** What it means that the setting is not as expected. */
  readonly problem: string;
  /** What to set: `authentication.anonymous.enabled: false`. */
  readonly remedy?: string;
}

/** A check of the kubelet that does not apply where the node has none. */
export function kubeletCheck({
  judge,
  ...text
}: RuleText & { readonly judge: (kubelet: KubeletFact) => Judgement }): NodeCheck {
  return nodeCheck({
    judgedBy: 'effect',
    ...text,
    references: ['https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/'],
    judges: 'kubelet',
    needs: ['kubelet'],
    judge: ({ kubelet }) => withoutKubelet(kubelet) ?? judge(kubelet),
  });
}

/** A check of one setting of the kubelet. */
export function settingCheck({ rule, ...text }: RuleText & { readonly rule: KubeletRule }): NodeCheck {
  return kubeletCheck({ ...text, judge: (kubelet) => judgeSetting(kubelet, rule) });
}

/** The judgement where no kubelet is judged; undefined where there is one. */
export function withoutKubelet({ process }: KubeletFact): Judgement | undefined {
  if (process.state === 'absent') return notApplicable('this host runs no kubelet');
  return process.state === 'unreadable' ? unknownBecause(`${process.source}: ${process.reason}`) : undefined;
}

/** Judges a setting. A wrong value in a file that the kubelet has not read yet fails as well; a right one proves nothing. */
export function judgeSetting(kubelet: KubeletFact, rule: KubeletRule): Judgement {
  const setting = settingOf(kubelet, rule.setting);
  if (!setting.known) return unknownBecause(setting.reason);
  const evidence = evidenceOf(rule.setting, setting, rule.expected);
  if (!rule.accepts(setting.value)) {
    const remedy = rule.remedy === undefined ? '' : `: ${remedyFor(kubelet, rule.remedy)}`;
    return fail(rule.problem + remedy, evidence);
  }
  return setting.doubt === '' ? pass(evidence) : unknownBecause(setting.doubt, evidence);
}

/** The effective value of a setting. */
export function settingOf(kubelet: KubeletFact, name: string): KubeletSetting {
  const observed = Object.hasOwn(kubelet.settings, name) ? kubelet.settings[name] : undefined;
  if (observed === undefined) return { known: false, reason: `${name} of the kubelet could not be read` };
  if (observed.state === 'unreadable')
    return { known: false, reason: `${name}: ${observed.source}: ${observed.reason}` };
  const value = observed.state === 'seen' ? observed.value : '';
  // The command line of a running process stays as it is; that of a program with the kubelet in it comes from files.
  const isOwnFlag =
    name.startsWith('--') && kubelet.process.state === 'seen' && kubelet.process.value.program === 'kubelet';
  const doubt = isOwnFlag || observed.source.startsWith('--') ? '' : pendingText(kubelet);
  return { known: true, value, source: observed.source, doubt };
}

/** A setting as evidence: `authentication.anonymous.enabled: true`, at the file or flag that decides. */
export function evidenceOf(
  name: string,
  { value, source }: Extract<KubeletSetting, { readonly known: true }>,
  expected: string,
): Evidence {
  return { source, seen: value === '' ? `${name} is not set` : quote(`${name}: ${value}`), expected };
}

/** Start times come from the boot time in whole seconds. */
const TOLERANCE_MS = 1000;

/** The first file that is newer than the running kubelet, as a sentence with both times; empty without one. */
export function pendingText({ process, files }: KubeletFact): string {
  if (process.state !== 'seen') return '';
  const { startedAtMs } = process.value;
  if (startedAtMs === 0) return files.length === 0 ? '' : 'the start time of the kubelet is not known';
  const newer = files.find(({ modifiedAtMs }) => modifiedAtMs > startedAtMs + TOLERANCE_MS);
  return newer === undefined
    ? ''
    : `${newer.path} was modified ${isoTime(newer.modifiedAtMs)}, after the start of the kubelet ${isoTime(startedAtMs)}`;
}

/** Where a node of each distribution keeps the configuration of its kubelet, and what else has to be done. */
const PLACES: Readonly<Record<Distribution, string>> = Object.freeze({
  aks: 'in a custom node configuration of the node pool (az aks nodepool add --kubelet-config)',
  bottlerocket: 'in [settings.kubernetes] of the user data (apiclient set)',
  eks: 'in spec.kubelet.config of the NodeConfig in the user data of the node group (AL2: in /etc/kubernetes/kubelet/kubelet-config.json)',
  gke: 'in the node system configuration of the node pool (gcloud container node-pools update --system-config-from-file)',
  k0s: 'in a worker profile (spec.workerProfiles of the k0s configuration)',
  k3s: 'under kubelet-arg in /etc/rancher/k3s/config.yaml, or in a file of /var/lib/rancher/k3s/agent/etc/kubelet.conf.d',
  kubeadm: 'in /var/lib/kubelet/config.yaml, and in the ConfigMap kubelet-config of kube-system for further nodes',
  microk8s: 'as a flag in /var/snap/microk8s/current/args/kubelet',
  openshift: 'in a KubeletConfig object for the pool of the node',
  other: 'in the configuration file of the kubelet',
  rke2: 'under kubelet-arg in /etc/rancher/rke2/config.yaml, or in a file of /var/lib/rancher/rke2/agent/etc/kubelet.conf.d',
  talos: 'under machine.kubelet.extraConfig of the machine configuration',
});

/** What to do on this node: `set readOnlyPort: 0 in /var/lib/kubelet/config.yaml …, and restart the kubelet`. */
export function remedyFor({ distribution, settings }: KubeletFact, remedy: string): string {
  const config = settings['--config'];
  const isNamed = distribution === 'other' && config?.state === 'seen' && config.value !== '';
  return `set ${remedy} ${isNamed ? `in ${quote(config.value)}` : PLACES[distribution]}, and restart the kubelet`;
}
