import type { ClusterNode } from '../fact/cluster-node.ts';
import type { ContainerFact } from '../fact/container.ts';
import type { EngineSettings } from '../fact/docker.ts';
import type { FactName, Facts } from '../fact/facts.ts';
import type { FileFact, FileRole } from '../fact/file.ts';
import type { ImageFact } from '../fact/image.ts';
import type { AdmittedContainer } from '../fact/admitted-container.ts';
import type { ClusterAdmission } from '../fact/cluster-admission.ts';
import type { ImageRules } from '../fact/image-rules.ts';
import type { ImageTags } from '../fact/image-tags.ts';
import type { ListenerFact } from '../fact/listener.ts';
import type { Judgement, Severity, Verdict } from '../verdict.ts';
import { judgeOwnKernel } from './own-kernel.ts';
import type { OwnKernelRule } from './own-kernel.ts';
import type { CheckParameters, ParameterValue } from './parameter.ts';

/** The severity of some failures of a check, and when they have it: `without TLS`. */
export interface SeverityLevel {
  readonly severity: Severity;
  readonly when: string;
}

/**
 * What a verdict stands on. `effect`: what the kernel, a running program, its API or a probe shows, or a file as what it
 * is (its owner, its content). `configuration`: what files say to a program, or what is declared: a program that has not
 * read it since then may behave differently.
 */
export type JudgedBy = 'effect' | 'configuration';

/** {@link JudgedBy} for people. */
export const JUDGED_BY: Readonly<Record<JudgedBy, string>> = Object.freeze({
  effect: 'effect (what the kernel, a running program or a probe shows)',
  configuration: 'configuration (what files or declarations say; a running program may differ)',
});

/** The documentation of a check. `id` is `area.subject-of-the-check`, and the path of its file. */
interface CheckText {
  readonly id: string;
  /** What holds where the check passes, at most 64 characters: `Container is not privileged`. */
  readonly title: string;
  /** What is wrong where it fails. Differs from `title` within 40 characters, where lists may cut both. */
  readonly failTitle: string;
  readonly judgedBy: JudgedBy;
  /** Severity of a failure; the worst one where `severityLevels` lists several. */
  readonly severity: Severity;
  /** All severities that a failure can have, worst first. Left out where there is one. */
  readonly severityLevels?: readonly SeverityLevel[];
  /** Why it matters: what an attacker or an accident gains when it fails. */
  readonly rationale: string;
  /** What to do, concretely. */
  readonly remediation: string;
  /** Public documentation, by URL; never a benchmark's text. */
  readonly references: readonly string[];
  /** What operators may set, by name; absent: nothing. */
  readonly parameters?: CheckParameters;
  /** The values of its parameters that it judges with. */
  readonly parameterValues?: Readonly<Record<string, ParameterValue>>;
  /** The check with other values of its parameters, which must be valid. */
  readonly withParameters?: (values: Readonly<Record<string, ParameterValue>>) => Check;
}

/** The texts of a check that is made from a rule: whoever makes it knows what documents the rule. */
export type RuleText = Omit<CheckText, 'references' | 'judgedBy'> & Partial<Pick<CheckText, 'judgedBy'>>;

/** Judges the node or one of its daemons once. */
export interface NodeCheck<N extends FactName = FactName> extends CheckText {
  readonly judges: 'node' | 'docker' | 'kubelet' | 'sshd';
  readonly needs: readonly N[];
  readonly judge: (facts: Pick<Facts, N>) => Judgement;
}

/** Judges each running container. */
export interface ContainerCheck<N extends FactName = FactName> extends CheckText {
  readonly judges: 'container';
  readonly needs: readonly N[];
  readonly judge: (container: ContainerFact, facts: Pick<Facts, N>) => Judgement;
  /** How it judges a container with a kernel of its own. */
  readonly ownKernel?: OwnKernelRule;
  /** What it reads of the fact `docker`. Absent: everything. */
  readonly engineSettings?: readonly (keyof EngineSettings)[];
}

/** The facts as most checks of containers see them: of the engine some settings. */
type ContainerFacts<S extends keyof EngineSettings> = Omit<Facts, 'docker'> & {
  readonly docker: Pick<EngineSettings, S>;
};

/** Judges each image in use. */
export interface ImageCheck<N extends FactName = FactName> extends CheckText {
  readonly judges: 'image';
  readonly needs: readonly N[];
  readonly judge: (image: ImageFact, facts: Pick<Facts, N>) => Judgement;
}

/** Judges each file that plays `role`. */
export interface FileCheck extends CheckText {
  readonly judges: 'file';
  readonly role: FileRole;
  readonly needs: readonly [];
  readonly judge: (file: FileFact) => Judgement;
}

/** Judges each listening port of `service`. */
export interface ListenerCheck<N extends FactName = FactName> extends CheckText {
  readonly judges: 'listener';
  readonly service: ListenerFact['service'];
  readonly needs: readonly N[];
  readonly judge: (listener: ListenerFact, facts: Pick<Facts, N>) => Judgement;
}

/** Judges each node of a Kubernetes cluster that has no agent. The collector does that: agents have no findings of it. */
export interface ClusterNodeCheck extends CheckText {
  readonly judges: 'clusterNode';
  readonly needs: readonly [];
  readonly judge: (node: ClusterNode) => Judgement;
}

/**
 * Judges what the tags of a running image name in their registries. The collector does that, since it asks the registries:
 * agents have no findings of it.
 */
export interface ImageTagsCheck extends CheckText {
  readonly judges: 'imageTags';
  readonly needs: readonly [];
  readonly judge: (image: ImageTags) => Judgement;
}

/**
 * Judges a running image by what the rules of image policies say about it. The collector does that, since it has the
 * policies and the evidence: agents have no findings of it.
 */
export interface ImageRulesCheck extends CheckText {
  readonly judges: 'imageRules';
  /** Types of the rules that it judges by. Without a rule of the first type it has no finding. */
  readonly ruleTypes: readonly [string, ...(readonly string[])];
  readonly needs: readonly [];
  readonly judge: (image: ImageRules) => Judgement;
}

/** Judges how a Kubernetes cluster enforces policies. The collector does that: agents have no findings of it. */
export interface ClusterCheck extends CheckText {
  readonly judges: 'cluster';
  readonly needs: readonly [];
  readonly judge: (cluster: ClusterAdmission) => Judgement;
}

/** Judges whether a running container was admitted. The collector does that: agents have no findings of it. */
export interface AdmittedContainerCheck extends CheckText {
  readonly judges: 'admittedContainer';
  readonly needs: readonly [];
  readonly judge: (container: AdmittedContainer) => Judgement;
}

/** A check: its documentation, and a pure function that judges facts. */
export type Check =
  | NodeCheck
  | ContainerCheck
  | ImageCheck
  | FileCheck
  | ListenerCheck
  | ClusterNodeCheck
  | ImageTagsCheck
  | ImageRulesCheck
  | ClusterCheck
  | AdmittedContainerCheck;

/** Before the title of a finding that claims neither that `title` holds nor that it does not. */
const TITLE_PREFIXES = Object.freeze({
  unknown: 'Not verified: ',
  manual: 'Needs review: ',
  notApplicable: 'Not applicable: ',
});

/** The title of a finding: what is wrong where the check fails, what holds where it passes, otherwise no claim. */
export function findingTitle({ title, failTitle }: CheckText, verdict: Verdict): string {
  if (verdict === 'fail') return failTitle;
  return verdict === 'pass' ? title : `${TITLE_PREFIXES[verdict]}${title}`;
}

/** `high`, or `up to high` for a check whose failures have several severities. */
export function severityText({ severity, severityLevels }: Pick<CheckText, 'severity' | 'severityLevels'>): string {
  return severityLevels === undefined ? severity : `up to ${severity}`;
}

/**
 * Freezes a node check whose `judge` sees exactly the facts that it `needs`. The widening is safe: the judge is
 * called with all facts, and reads fewer.
 */
export function nodeCheck<const N extends FactName>(check: NodeCheck<N>): NodeCheck {
  return Object.freeze(check);
}

/** Freezes a container check whose `judge` sees exactly the facts that it `needs`, and of engines its `engineSettings`. */
export function containerCheck<const N extends FactName, const S extends keyof EngineSettings = never>(
  check: Omit<ContainerCheck<N>, 'judge' | 'engineSettings'> & {
    readonly engineSettings?: readonly S[];
    readonly judge: (container: ContainerFact, facts: Pick<ContainerFacts<S>, N>) => Judgement;
  },
): ContainerCheck {
  const judge = (container: ContainerFact, facts: ContainerFacts<S>): Judgement =>
    judgeOwnKernel(container, check.ownKernel, () => check.judge(container, facts));
  return Object.freeze({ ...check, judge, engineSettings: check.engineSettings ?? [] });
}

/** Freezes an image check whose `judge` sees exactly the facts that it `needs`. */
export function imageCheck<const N extends FactName>(check: ImageCheck<N>): ImageCheck {
  return Object.freeze(check);
}

/** Freezes a file check. */
export function fileCheck(check: FileCheck): FileCheck {
  return Object.freeze(check);
}

/** Freezes a listener check whose `judge` sees exactly the facts that it `needs`. */
export function listenerCheck<const N extends FactName>(check: ListenerCheck<N>): ListenerCheck {
  return Object.freeze(check);
}

/** Freezes a check of nodes of a cluster. */
export function clusterNodeCheck(check: ClusterNodeCheck): ClusterNodeCheck {
  return Object.freeze(check);
}

/** Freezes a check of the admission of containers. */
export function admittedContainerCheck(check: AdmittedContainerCheck): AdmittedContainerCheck {
  return Object.freeze(check);
}

/** Freezes a check of a cluster. */
export function clusterCheck(check: ClusterCheck): ClusterCheck {
  return Object.freeze(check);
}

/** Freezes a check of running images by image policies. */
export function imageRulesCheck(check: ImageRulesCheck): ImageRulesCheck {
  return Object.freeze(check);
}

/** Freezes a check of the tags of running images. */
export function imageTagsCheck(check: ImageTagsCheck): ImageTagsCheck {
  return Object.freeze(check);
}
