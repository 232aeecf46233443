import { findingTitle } from './check/check.ts';
import type {
  Check,
  ClusterNodeCheck,
  ContainerCheck,
  FileCheck,
  ImageCheck,
  AdmittedContainerCheck,
  ClusterCheck,
  ImageRulesCheck,
  ImageTagsCheck,
  ListenerCheck,
  NodeCheck,
} from './check/check.ts';
import { isIdleSandbox } from './check/idle-sandbox.ts';
import type { ClusterNode } from './fact/cluster-node.ts';
import { containerName, sourceOf } from './fact/container.ts';
import type { ContainerFact } from './fact/container.ts';
import { UNKNOWN_RUNTIME, userOfEngine } from './fact/docker.ts';
import type { DockerFact, EngineSettings } from './fact/docker.ts';
import type { FactName, Facts } from './fact/facts.ts';
import type { AdmittedContainer } from './fact/admitted-container.ts';
import type { ClusterAdmission } from './fact/cluster-admission.ts';
import type { FileRole } from './fact/file.ts';
import type { ImageRules } from './fact/image-rules.ts';
import type { ImageTags } from './fact/image-tags.ts';
import type { Unobserved } from './fact/unobserved.ts';
import type { Delta, FindingSet } from './delta.ts';
import { findingId, sameContent } from './finding.ts';
import type { Finding, Subject } from './finding.ts';
import { mapObserved } from './observed.ts';
import type { Observed } from './observed.ts';
import { notApplicable, SEVERITIES, severityRank, unknownBecause } from './verdict.ts';
import type { Evidence, Judgement } from './verdict.ts';

/**
 * What changed since the last round. Of `containers`, inspected or not, only those whose id is listed changed; a fact
 * named in `facts` changed as a whole.
 */
export interface Change {
  readonly facts: ReadonlySet<FactName>;
  readonly containers: ReadonlySet<string>;
  /** Settings that changed of any engine that was there before. Containers of others are in `containers`. */
  readonly engineSettings: ReadonlySet<keyof EngineSettings>;
}

/**
 * Judges everything: one finding a check and subject; a check without a subject answers about the node. Where the facts
 * cannot list all subjects of a check, those that `before` has findings of are answered `unknown`, never left out.
 */
export function judgeAll(checks: readonly Check[], facts: Facts, before: FindingSet = new Map()): FindingSet {
  const earlier = findingsOf(before, new Set(checks));
  const findings = new Map<string, Finding>();
  for (const check of checks)
    for (const finding of judgeCheck(check, facts, earlier.get(check.id))) findings.set(finding.id, finding);
  return findings;
}

/**
 * Judges again what `change` touches, and answers what is different from `before` then. What says the same as before is
 * not in it, so the object that `before` has can stay.
 */
export function judgeChange(checks: readonly Check[], facts: Facts, before: FindingSet, change: Change): Delta {
  const whole = new Set(checks.filter((check) => touches(check, change)));
  const earlier = findingsOf(before, whole);
  const changed = containersOf(facts, change.containers);
  const comparison = createComparison(before);
  for (const findings of earlier.values()) for (const { id } of findings) comparison.expect(id);
  for (const check of checks) {
    if (whole.has(check))
      for (const finding of judgeCheck(check, facts, earlier.get(check.id))) comparison.put(finding);
    else if (check.judges === 'container' && changed.size > 0)
      judgeChangedContainers(check, facts, changed, { before, comparison });
  }
  return comparison.delta();
}

/** Findings that are judged again, compared one by one: what says the same as before is dropped at once. */
interface Comparison {
  /** A finding that is gone unless it is put. */
  readonly expect: (id: string) => void;
  readonly put: (finding: Finding) => void;
  readonly delta: () => Delta;
}

function createComparison(before: FindingSet): Comparison {
  const added: Finding[] = [];
  const changed: Finding[] = [];
  const gone = new Set<string>();
  return {
    expect: (id) => {
      if (before.has(id)) gone.add(id);
    },
    put: (finding) => {
      gone.delete(finding.id);
      const old = before.get(finding.id);
      if (old === undefined) added.push(finding);
      else if (!sameContent(old, finding)) changed.push(finding);
    },
    delta: () => ({ added, changed, gone: [...gone] }),
  };
}

/** The findings of some checks, by check id. */
function findingsOf(findings: FindingSet, checks: ReadonlySet<Check>): ReadonlyMap<string, readonly Finding[]> {
  const found = new Map<string, Finding[]>();
  if (checks.size === 0 || findings.size === 0) return found;
  for (const check of checks) found.set(check.id, []);
  // oxlint-disable-next-line unicorn/no-array-for-each -- thousands of findings, and no pair is made for each
  findings.forEach((finding) => found.get(finding.check)?.push(finding));
  return found;
}

/** What is known of a container: it was inspected, it could not be inspected, or it is not there any more. */
type Looked = ContainerFact | Unobserved | undefined;

/** The containers with these ids. */
function containersOf(facts: Facts, ids: ReadonlySet<string>): ReadonlyMap<string, Looked> {
  const found = new Map<string, Looked>([...ids].map((id) => [id, undefined]));
  for (const entry of unobservedOf(facts, 'container')) if (ids.has(entry.id)) found.set(entry.id, entry);
  if (facts.containers.state === 'seen')
    for (const container of facts.containers.value)
      if (ids.has(container.id) && !isIdleSandbox(container)) found.set(container.id, container);
  return found;
}

function judgeChangedContainers(
  check: ContainerCheck,
  facts: Facts,
  changed: ReadonlyMap<string, Looked>,
  { before, comparison }: { readonly before: FindingSet; readonly comparison: Comparison },
): void {
  const incomplete = incompleteBecause(check, facts);
  for (const [id, container] of changed) {
    const key = findingId(check.id, { kind: 'container', id, name: '' });
    const earlier = before.get(key);
    if (container !== undefined) comparison.put(judgeContainer(check, facts, container));
    else if (incomplete !== undefined && earlier !== undefined) comparison.put(unknownAs(check, earlier, incomplete));
    else comparison.expect(key);
  }
  const placeholder = missingContainer(check, facts);
  if (placeholder === undefined) comparison.expect(findingId(check.id, nodeSubject(facts)));
  else comparison.put(placeholder);
}

function touches(check: Check, { facts, containers, engineSettings }: Change): boolean {
  // Findings about the node contain its identity and name.
  if (facts.has('node')) return true;
  const settings = check.judges === 'container' ? check.engineSettings : undefined;
  const isTouchedBy = (name: FactName): boolean => {
    if (name === 'containers' && containers.size > 0) return true;
    // What needs the Docker daemon is judged for each of them.
    if (name !== 'docker') return facts.has(name);
    if (settings === undefined) return facts.has('docker') || facts.has('engines');
    // A container of an unknown engine is judged by the settings of the first one.
    return engineSettings.has('endpoint') || settings.some((setting) => engineSettings.has(setting));
  };
  if (check.needs.some(isTouchedBy) || (check.judges === 'docker' && facts.has('engines'))) return true;
  switch (check.judges) {
    case 'container':
      return facts.has('containers');
    case 'image':
      return facts.has('images') || facts.has('unobserved');
    case 'file':
      return facts.has('files') || FILE_BASES.some((name) => facts.has(name));
    case 'listener':
      return facts.has('listeners');
    case 'node':
    case 'docker':
    case 'kubelet':
    case 'sshd':
    case 'clusterNode':
    case 'imageTags':
    case 'imageRules':
    case 'cluster':
    case 'admittedContainer':
      return false;
  }
}

/** The facts that say which files there are to judge. */
const FILE_BASES: readonly FactName[] = ['docker', 'kubelet', 'sshd'];

/** `earlier`: the findings that this check has. */
function judgeCheck(check: Check, facts: Facts, earlier: readonly Finding[] = []): readonly Finding[] {
  const judged = judgeSubjects(check, facts);
  const incomplete = earlier.length === 0 ? undefined : incompleteBecause(check, facts);
  if (incomplete === undefined) return judged;
  const known = new Set(judged.map(({ id }) => id));
  const missing = earlier.filter(({ id, subject }) => subject.kind !== 'node' && !known.has(id));
  return [...judged, ...missing.map((finding) => unknownAs(check, finding, incomplete))];
}

/** Why a check may have subjects that the facts do not list; undefined: the facts list all of them. */
function incompleteBecause(check: Check, facts: Facts): string | undefined {
  switch (check.judges) {
    case 'node':
    case 'kubelet':
    case 'sshd':
    case 'clusterNode':
    case 'imageTags':
    case 'imageRules':
    case 'cluster':
    case 'admittedContainer':
      return undefined;
    case 'docker': {
      // Which API is served there is not known: it may be the engine that an earlier finding is about.
      const silent = facts.engines.filter(({ runtime }) => runtime === UNKNOWN_RUNTIME);
      return unreadReason(...silent.map(({ api }) => api));
    }
    case 'container':
      return unreadReason(facts.containers, facts.unobserved);
    case 'image': {
      const { images, unobserved } = facts;
      const isUser = ({ imageId }: Unobserved): boolean => imageId === '' || images.state !== 'seen';
      const user = unobservedOf(facts, 'container').find(isUser);
      const unknownUser = user && `container ${user.name || user.id} may use it: ${user.reason}`;
      return unreadReason(images, unobserved) ?? unknownUser;
    }
    case 'file': {
      const files = facts.files.filter(({ role }) => role === check.role).map(({ stat }) => stat);
      return unreadReason(...basesOf(check.role, facts), ...files);
    }
    case 'listener':
      return unreadReason(facts.listeners);
  }
}

/** What says which files play a role. */
function basesOf(role: FileRole, { docker, kubelet, sshd }: Facts): readonly Observed<unknown>[] {
  if (role === 'sshdConfig' || role === 'sshHostKey') return [sshd.present, sshd.contexts];
  if (role === 'kubeProxyKubeconfig') return [kubelet.process, kubelet.proxies];
  return role.startsWith('kube') || role === 'azureCloudConfig' ? [kubelet.process] : [docker.process, docker.file];
}

/** The first of them that could not be read, with the reason. */
function unreadReason(...observations: readonly Observed<unknown>[]): string | undefined {
  for (const observation of observations)
    if (observation.state === 'unreadable') return `${observation.source}: ${observation.reason}`;
  return undefined;
}

/** An earlier finding about a subject that cannot be looked at now. */
function unknownAs(check: Check, { subject }: Finding, reason: string): Finding {
  return toFinding(check, subject, () => unknownBecause(`it could not be read again: ${reason}`));
}

function judgeSubjects(check: Check, facts: Facts): readonly Finding[] {
  switch (check.judges) {
    case 'node':
      return [toFinding(check, nodeSubject(facts), () => check.judge(facts))];
    case 'docker':
      return judgeEngines(check, facts);
    case 'kubelet':
    case 'sshd':
      return [toFinding(check, { kind: 'daemon', id: check.judges, name: check.judges }, () => check.judge(facts))];
    case 'container':
      return judgeContainers(check, facts);
    case 'image':
      return judgeImages(check, facts);
    case 'file':
      return judgeFiles(check, facts);
    case 'listener':
      return judgeListeners(check, facts);
    // By the collector, which knows the nodes of the cluster and asks the registries.
    case 'clusterNode':
    case 'imageTags':
    case 'imageRules':
    case 'cluster':
    case 'admittedContainer':
      return [];
  }
}

/** Judges a node of a cluster that has no agent. */
export function judgeClusterNode(check: ClusterNodeCheck, node: ClusterNode): Finding {
  return toFinding(check, { kind: 'node', id: node.id, name: node.name }, () => check.judge(node));
}

/** Judges a cluster. Its findings belong to the node {@link CLUSTER_ID}, which is not a node with an agent. */
export function judgeCluster(check: ClusterCheck, cluster: ClusterAdmission): Finding {
  return toFinding(check, { kind: 'node', id: CLUSTER_ID, name: CLUSTER_ID }, () => check.judge(cluster));
}

/** Judges whether a container was admitted. */
export function judgeAdmittedContainer(check: AdmittedContainerCheck, container: AdmittedContainer): Finding {
  return toFinding(check, { kind: 'container', id: container.id, name: container.name }, () => check.judge(container));
}

/** Id and name of the cluster where findings have a node. */
export const CLUSTER_ID = 'kubernetes';

/** Judges the tags of an image that containers of a node run. */
export function judgeImageTags(check: ImageTagsCheck, image: ImageTags): Finding {
  return toFinding(check, { kind: 'image', id: image.imageId, name: image.name }, () => check.judge(image));
}

/** Judges an image that containers of a node run by what image policies say about it. */
export function judgeImageRules(check: ImageRulesCheck, image: ImageRules): Finding {
  return toFinding(check, { kind: 'image', id: image.imageId, name: image.name }, () => check.judge(image));
}

/** One finding for each engine with the Docker API. The id of the first does not depend on where it listens. */
function judgeEngines(check: NodeCheck, facts: Facts): readonly Finding[] {
  const first = toFinding(check, { kind: 'daemon', id: 'docker', name: 'dockerd' }, () => judgeEngine(check, facts));
  const others = facts.engines.filter(hasDockerApi).map((docker) => {
    const { endpoint, runtime } = docker;
    const program = runtime === 'docker' ? 'dockerd' : runtime;
    const subject: Subject = { kind: 'daemon', id: `docker:${endpoint}`, name: `${program} ${endpoint}` };
    return toFinding(check, subject, () => judgeEngine(check, { ...facts, docker }));
  });
  return [first, ...others];
}

function hasDockerApi({ runtime }: DockerFact): boolean {
  return runtime === 'docker' || runtime === 'podman';
}

/**
 * These are settings of dockerd: Podman has no daemon that they could configure. A rootless engine cannot weaken the
 * host, and only its own user says how it is set.
 */
function judgeEngine(check: NodeCheck, facts: Facts): Judgement {
  const { runtime, endpoint } = facts.docker;
  const uid = userOfEngine(endpoint);
  if (uid !== 0) return notApplicable(`a rootless engine of uid ${String(uid)}: its settings affect that account only`);
  if (runtime !== 'docker') return notApplicable(`a setting of dockerd, and the engine at ${endpoint} is ${runtime}`);
  return facts.docker.present.state === 'absent'
    ? notApplicable('Docker is not installed on this host')
    : check.judge(facts);
}

/** A container is judged with the facts of the engine that runs it. */
function factsOfEngine(facts: Facts, endpoint: string): Facts {
  if (endpoint === facts.docker.endpoint) return facts;
  const docker = facts.engines.find((engine) => engine.endpoint === endpoint);
  return docker === undefined ? facts : { ...facts, docker };
}

function judgeContainers(check: ContainerCheck, facts: Facts): readonly Finding[] {
  const placeholder = missingContainer(check, facts);
  const listed = facts.containers.state === 'seen' ? facts.containers.value : [];
  const inspected = listed.filter((container) => !isIdleSandbox(container));
  const known = new Set(listed.map(({ id }) => id));
  const unobserved = unobservedOf(facts, 'container').filter(({ id }) => !known.has(id));
  return [
    ...(placeholder === undefined ? [] : [placeholder]),
    ...inspected.map((container) => judgeContainer(check, facts, container)),
    ...unobserved.map((container) => judgeContainer(check, facts, container)),
  ];
}

/** The answer about the node where no container is listed, or not all of them. */
function missingContainer(check: ContainerCheck, facts: Facts): Finding | undefined {
  const { unobserved } = facts;
  const containers = mapObserved(facts.containers, (all) => all.filter((container) => !isIdleSandbox(container)));
  if (containers.state !== 'unreadable' && unobservedOf(facts, 'container').length > 0) return undefined;
  const isEmpty = containers.state === 'absent' || (containers.state === 'seen' && containers.value.length === 0);
  const subjects = isEmpty && unobserved.state === 'unreadable' ? unobserved : containers;
  return missingSubject(check, facts, subjects, 'there is no container');
}

function judgeContainer(check: ContainerCheck, facts: Facts, container: ContainerFact | Unobserved): Finding {
  const subject: Subject = { kind: 'container', id: container.id, name: containerName(container) };
  return toFinding(check, subject, () =>
    'sinceMs' in container
      ? unobservedJudgement(container)
      : judgeDeclared(container, check, factsOfEngine(facts, container.engine)),
  );
}

/**
 * A container that does not run is judged by what was asked for, since it can be started any time: what fails then is one
 * degree milder, unless the engine is about to start it again. What nothing but the kernel could say is not applicable.
 */
function judgeDeclared(container: ContainerFact, check: ContainerCheck, facts: Facts): Judgement {
  const judgement = check.judge(container, facts);
  if (container.pid !== 0) return judgement;
  const evidence = [
    ...judgement.evidence,
    {
      source: sourceOf(container, 'state'),
      seen: doesNotRun(container.state),
      expected: BY_DECLARATION,
    },
  ];
  const severity = judgement.severity ?? check.severity;
  const rank = severityRank(severity) + (container.state === 'restarting' ? 0 : 1);
  if (judgement.verdict !== 'fail' || rank >= severityRank('info'))
    return notApplicable('the container does not run, and its declaration shows no failure', ...evidence);
  return { ...judgement, severity: SEVERITIES[rank] ?? severity, evidence };
}

const BY_DECLARATION = 'judged by its declaration';
const doesNotRun = (state: ContainerFact['state']): string => `running: no (${state})`;

/** Does the evidence of a finding say that the container was created and never started? */
export function isNeverStarted(evidence: readonly Evidence[]): boolean {
  return evidence.some(({ seen, expected }) => expected === BY_DECLARATION && seen === doesNotRun('created'));
}

function unobservedJudgement({ reason, sinceMs }: Unobserved): Judgement {
  return unknownBecause(`it cannot be inspected since ${new Date(sinceMs).toISOString()}: ${reason}`);
}

function unobservedOf({ unobserved }: Facts, kind: Unobserved['kind']): readonly Unobserved[] {
  return unobserved.state === 'seen' ? unobserved.value.filter((entry) => entry.kind === kind) : [];
}

function judgeImages(check: ImageCheck, facts: Facts): readonly Finding[] {
  const { images } = facts;
  const unobserved = unobservedOf(facts, 'image').map((image) =>
    toFinding(check, { kind: 'image', id: image.id, name: image.name }, () => unobservedJudgement(image)),
  );
  if (images.state === 'seen' && images.value.length > 0)
    return images.value
      .map((image) =>
        toFinding(check, { kind: 'image', id: image.id, name: image.name }, () => check.judge(image, facts)),
      )
      .concat(unobserved);
  const placeholder = unobserved.length === 0 ? missingSubject(check, facts, images, 'no image is in use') : undefined;
  return placeholder === undefined ? unobserved : [placeholder];
}

function judgeFiles(check: FileCheck, facts: Facts): readonly Finding[] {
  const files = facts.files.filter((file) => file.role === check.role);
  if (files.length === 0) {
    const incomplete = incompleteBecause(check, facts);
    const judge = (): Judgement =>
      incomplete === undefined
        ? notApplicable('no such file is configured on this host')
        : unknownBecause(`it is unknown whether such a file exists: ${incomplete}`);
    return [toFinding(check, nodeSubject(facts), judge)];
  }
  return files.map((file) =>
    toFinding(check, { kind: 'file', id: file.path, name: file.path }, () => check.judge(file)),
  );
}

function judgeListeners(check: ListenerCheck, facts: Facts): readonly Finding[] {
  const { listeners } = facts;
  const placeholder = missingSubject(check, facts, listeners, 'no TCP port is open for this service');
  if (placeholder !== undefined || listeners.state !== 'seen') return placeholder ? [placeholder] : [];
  const own = listeners.value.filter((listener) => listener.service === check.service);
  if (own.length === 0)
    return [toFinding(check, nodeSubject(facts), () => notApplicable('no TCP port is open for this service'))];
  return own.map((listener) =>
    toFinding(check, { kind: 'listener', id: listener.id, name: `tcp:${String(listener.port)}` }, () =>
      check.judge(listener, facts),
    ),
  );
}

/** The answer about the node where there is no subject to judge; nothing where there is one. */
function missingSubject(
  check: Check,
  facts: Facts,
  subjects: Observed<readonly unknown[]>,
  none: string,
): Finding | undefined {
  const node = nodeSubject(facts);
  switch (subjects.state) {
    case 'unreadable':
      return toFinding(check, node, () => unknownBecause(`${subjects.source}: ${subjects.reason}`));
    case 'absent':
      return toFinding(check, node, () => notApplicable(`nothing to judge: ${subjects.source} is absent`));
    case 'seen':
      return subjects.value.length === 0 ? toFinding(check, node, () => notApplicable(none)) : undefined;
  }
}

function nodeSubject(facts: Facts): Subject {
  return { kind: 'node', id: facts.node.id, name: facts.node.name };
}

function toFinding(check: Check, subject: Subject, judge: () => Judgement): Finding {
  const judgement = judgeSafely(judge);
  const finding = {
    id: findingId(check.id, subject),
    check: check.id,
    title: findingTitle(check, judgement.verdict),
    verdict: judgement.verdict,
    severity: judgement.severity ?? check.severity,
    subject,
    evidence: judgement.evidence,
  };
  return judgement.reason === undefined ? finding : { ...finding, reason: judgement.reason };
}

/** A defect in one check must not silence the others: it shows as `unknown`, with what went wrong. */
function judgeSafely(judge: () => Judgement): Judgement {
  try {
    return judge();
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : 'unknown error';
    return unknownBecause(`internal error in this check, please report it (${message})`);
  }
}
