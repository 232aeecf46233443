import type { ControlReference } from '../finding.ts';
import cisDocker from './cis-docker.json' with { type: 'json' };
import cisKubernetes from './cis-kubernetes.json' with { type: 'json' };
import frameworks from './frameworks.json' with { type: 'json' };

/** One entry of a benchmark: its number, what it asks for in our words, and the checks that answer it. */
export interface Control {
  readonly id: string;
  readonly title: string;
  /** 1 for everyone; higher levels are for higher demands and include the lower ones. */
  readonly level: number;
  /** All of them must pass. Empty: no check answers this, and `why` says so in one sentence. */
  readonly checks: readonly string[];
  readonly why?: string;
  /** What a query shows to the person who has to judge a control without checks, as in `plimsoll query`. */
  readonly evidence?: readonly string[];
}

/** A published benchmark. Its text is not repeated here, only its numbers. */
export interface Benchmark {
  /** `cis-docker-1.8.0` */
  readonly id: string;
  readonly title: string;
  readonly controls: readonly Control[];
}

/** A control with its number in CIS Docker 1.8.0. `earlierId`: the one in 1.6.0 and 1.7.0 where it differs; null: none. */
interface CisDockerControl extends Control {
  readonly earlierId?: string | null;
}

/** A control of worker nodes with its number in each benchmark of Kubernetes that has it. */
interface CisKubernetesControl extends Omit<Control, 'id'> {
  readonly ids: Readonly<Record<string, string | undefined>>;
}

/** Benchmarks of Kubernetes by id. All are about worker nodes; those of distributions have numbers of their own. */
const KUBERNETES_TITLES: Readonly<Record<string, string>> = Object.freeze({
  'cis-aks-1.8': 'CIS AKS Benchmark 1.8',
  'cis-eks-1.7.0': 'CIS EKS Benchmark 1.7.0',
  'cis-eks-1.8.0': 'CIS EKS Benchmark 1.8.0',
  'cis-gke-1.9.0': 'CIS GKE Benchmark 1.9.0',
  'cis-k3s-1.8': 'CIS Kubernetes Benchmark 1.8 for k3s',
  'cis-k3s-1.9': 'CIS Kubernetes Benchmark 1.9 for k3s',
  'cis-kubernetes-1.10': 'CIS Kubernetes Benchmark 1.10',
  'cis-kubernetes-1.11': 'CIS Kubernetes Benchmark 1.11',
  'cis-kubernetes-1.12': 'CIS Kubernetes Benchmark 1.12',
  'cis-kubernetes-1.24': 'CIS Kubernetes Benchmark 1.24',
  'cis-kubernetes-1.7': 'CIS Kubernetes Benchmark 1.7',
  'cis-kubernetes-1.8': 'CIS Kubernetes Benchmark 1.8',
  'cis-kubernetes-1.9': 'CIS Kubernetes Benchmark 1.9',
  'cis-kubernetes-2.0.0': 'CIS Kubernetes Benchmark 2.0.0',
  'cis-microk8s-1.24': 'CIS Kubernetes Benchmark 1.24 for MicroK8s',
  'cis-openshift-1.8': 'CIS OpenShift Benchmark 1.8',
  'cis-rke2-1.8': 'CIS Kubernetes Benchmark 1.8 for RKE2',
});

/** Every benchmark, sorted by id. 1.8.0 of CIS Docker inserts one control and renumbers those after it. */
export const BENCHMARKS: readonly Benchmark[] = Object.freeze(
  [
    cisDockerBenchmark('1.6.0', { isEarlier: true }),
    cisDockerBenchmark('1.7.0', { isEarlier: true }),
    cisDockerBenchmark('1.8.0', { isEarlier: false }),
    ...(frameworks.benchmarks as readonly Benchmark[]),
    ...Object.entries(KUBERNETES_TITLES).map(([id, title]) => cisKubernetesBenchmark(id, title)),
  ].toSorted((one, other) => (one.id < other.id ? -1 : 1)),
);

function cisDockerBenchmark(version: string, { isEarlier }: { readonly isEarlier: boolean }): Benchmark {
  const all: readonly CisDockerControl[] = cisDocker.controls;
  const controls = all.flatMap(({ earlierId, ...control }) => {
    const id = isEarlier && earlierId !== undefined ? earlierId : control.id;
    return id === null ? [] : [{ ...control, id }];
  });
  return { id: `cis-docker-${version}`, title: `CIS Docker Benchmark ${version}`, controls };
}

function cisKubernetesBenchmark(id: string, title: string): Benchmark {
  const all: readonly CisKubernetesControl[] = cisKubernetes.controls;
  const controls = all.flatMap(({ ids, ...control }) => {
    const number = Object.hasOwn(ids, id) ? ids[id] : undefined;
    return number === undefined ? [] : [{ ...control, id: number }];
  });
  return { id, title: `${title}, worker nodes`, controls: controls.toSorted(byNumber) };
}

/** `4.2.9` before `4.2.10`. Not by a collator: loading one takes longer than everything else here. */
function byNumber(one: Control, other: Control): number {
  const [parts, others] = [one.id.split('.'), other.id.split('.')];
  const place = parts.findIndex((part, index) => part !== others[index]);
  return place === -1 ? parts.length - others.length : Number(parts[place]) - Number(others[place] ?? -1);
}

/** The benchmark with this id; `cis-docker-1.8` is `cis-docker-1.8.0`. */
export function findBenchmark(id: string, benchmarks: readonly Benchmark[] = BENCHMARKS): Benchmark | undefined {
  return (
    benchmarks.find((benchmark) => benchmark.id === id) ?? benchmarks.find((benchmark) => benchmark.id === `${id}.0`)
  );
}

/** The controls that a check answers. */
export type ControlLookup = (check: string) => readonly ControlReference[];

/** A lookup of the controls that a check answers. Walks the benchmarks once. */
export function indexControls(benchmarks: readonly Benchmark[]): ControlLookup {
  const index = new Map<string, ControlReference[]>();
  for (const { id: benchmark, controls } of benchmarks)
    for (const { id: control, checks } of controls)
      for (const check of checks) index.set(check, [...(index.get(check) ?? []), { benchmark, control }]);
  return (check) => index.get(check) ?? [];
}

/** The index of {@link controlsOf}: a function of constants, made once it is asked for. */
let builtIn: ControlLookup | undefined;

/** The controls of the built-in benchmarks that a check answers, in the order of `BENCHMARKS`. Asked for each event. */
export function controlsOf(checkId: string): readonly ControlReference[] {
  builtIn ??= indexControls(BENCHMARKS);
  return builtIn(checkId);
}
