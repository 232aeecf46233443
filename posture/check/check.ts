import type { ContainerFact } from '../fact/container.ts';
import type { FactName, Facts } from '../fact/facts.ts';
import type { FileFact, FileRole } from '../fact/file.ts';
import type { ImageFact } from '../fact/image.ts';
import type { ListenerFact } from '../fact/listener.ts';
import type { Judgement, Severity } from '../verdict.ts';

/** What every check says about itself. `id` is `area.what-is-judged`, and the path of its file. */
interface CheckText {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  /** Why it matters: what an attacker or an accident gains when it fails. */
  readonly rationale: string;
  /** What to do, concretely. */
  readonly remediation: string;
  /** Public documentation, by URL; never a benchmark's text. */
  readonly references: readonly string[];
}

/** The texts of a check that is made from a rule: whoever makes it knows what documents the rule. */
export type RuleText = Omit<CheckText, 'references'>;

/** Judges the node or one of its daemons once. */
export interface NodeCheck<N extends FactName = FactName> extends CheckText {
  readonly judges: 'node' | 'docker' | 'sshd';
  readonly needs: readonly N[];
  readonly judge: (facts: Pick<Facts, N>) => Judgement;
}

/** Judges each running container. */
export interface ContainerCheck<N extends FactName = FactName> extends CheckText {
  readonly judges: 'container';
  readonly needs: readonly N[];
  readonly judge: (container: ContainerFact, facts: Pick<Facts, N>) => Judgement;
}

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

/** A check: what is right, why, what to do, and a pure function that judges. */
export type Check = NodeCheck | ContainerCheck | ImageCheck | FileCheck | ListenerCheck;

/**
 * Freezes a node check whose `judge` sees exactly the facts that it `needs`. The widening is safe: the judge is
 * called with all facts, and reads fewer.
 */
export function nodeCheck<const N extends FactName>(check: NodeCheck<N>): NodeCheck {
  return Object.freeze(check);
}

/** Freezes a container check whose `judge` sees exactly the facts that it `needs`. */
export function containerCheck<const N extends FactName>(check: ContainerCheck<N>): ContainerCheck {
  return Object.freeze(check);
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
