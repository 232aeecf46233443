import { decidePod } from '../pod/decide-pod.ts';
import type { PodDecision, PodReason, PodSubject } from '../pod/decide-pod.ts';
import { BREAK_GLASS_ANNOTATION, matchingPodPolicies } from '../pod/pod-policy.ts';
import type { PodPolicy, PodPolicyMatch } from '../pod/pod-policy.ts';
import { placeWithin, podSourceOf } from '../pod/pod-template.ts';
import type { PodSource } from '../pod/pod-template.ts';
import { describeNodeCondition } from '../pod/node-condition.ts';
import { imagesOf, parsePod } from '../pod/pod.ts';
import { controlsFor } from '../pod/security/pod-security.ts';
import { explainImage } from './explain-image.ts';
import type { ExplainedImage, ExplainSources } from './explain-image.ts';
import { explainReason, resultOf } from './explanation.ts';
import type { ExplainedPolicy, ExplainedRule, Explanation } from './explanation.ts';

/** What to explain: an object of Kubernetes, not parsed. */
export interface ExplainedSubject extends PodSubject {
  readonly name: string;
}

/**
 * Explains how a pod is decided, or the pods of an object that creates some: every policy that matches, and each rule
 * for each image and for the pod itself. Pure; never throws.
 */
export function explainObject(subject: ExplainedSubject, sources: ExplainSources): Explanation {
  const { kind, name, namespace, object } = subject;
  const head = { kind, name, namespace };
  const source = podSourceOf(kind, object);
  if (source === undefined)
    return { ...head, outcome: 'allow', created: 'allow', policies: [], rules: [], notes: [WITHOUT_PODS] };
  const images = new Map<string, ExplainedImage>();
  const judge = {
    podPolicies: sources.snapshot.podPolicies,
    placement: { nodes: sources.snapshot.nodes, now: sources.now },
    decideImage: (image: Parameters<typeof explainImage>[0]) => {
      const explained = explainImage(image, sources);
      images.set(image.reference ?? '', explained);
      return { ...explained.decision, suppressed: [] };
    },
  };
  const pod = decidePod({ kind: 'Pod', object: source.value, namespace }, judge);
  const created = source.path === '' ? pod : decidePod(subject, judge);
  const matching = matchingPodPolicies(judge.podPolicies, namespace);
  const deciding = matching.find(({ decides }) => decides)?.policy;
  return {
    ...head,
    outcome: pod.outcome,
    created: created.outcome,
    policies: [
      ...[...images.values()].flatMap(({ policies }) => policies),
      ...matching.map((match) => explainPodPolicy(match, matching[0]?.policy)),
    ],
    rules: [
      ...malformedRules(pod, source),
      ...[...images].flatMap(([image, explained]) => placedRules(explained, placesOf(source, image))),
      ...controlRules(deciding, { pod, source }),
      ...nodeRules(deciding, { pod, source }),
    ],
    notes: [...[...images.values()].flatMap(({ notes }) => notes), ...notesOf(source, { deciding, created, pod })],
  };
}

const WITHOUT_PODS = 'Policies are about pods; objects of this kind hold none that are known.';

function explainPodPolicy({ policy, pattern, decides }: PodPolicyMatch, first: PodPolicy | undefined): ExplainedPolicy {
  const why = decides ? 'the most specific match' : `less specific than ${first?.name ?? ''}`;
  return {
    kind: 'PodPolicy',
    name: policy.name,
    mode: policy.mode,
    image: '',
    decides,
    why: `in ${pattern}: ${why}`,
  };
}

/** The fields of the object that name the image. */
function placesOf(source: PodSource, image: string): readonly string[] {
  const parsed = parsePod(source.value);
  if (!parsed.ok) return [];
  return imagesOf(parsed.value)
    .filter(({ reference }) => reference === image)
    .map(({ path }) => placeWithin(source, path));
}

function placedRules({ rules }: ExplainedImage, places: readonly string[]): readonly ExplainedRule[] {
  const path = places.join(', ');
  return rules.map((rule) => ({ ...rule, reasons: rule.reasons.map((reason) => ({ ...reason, path })) }));
}

/** The object is no pod as the API documents it: nothing else was judged. */
function malformedRules({ reasons }: PodDecision, source: PodSource): readonly ExplainedRule[] {
  const found = reasons.filter(({ code }) => code === 'pod-malformed');
  if (found.length === 0) return [];
  return [
    {
      policy: '',
      rule: '',
      type: 'pod',
      mode: 'enforce',
      image: '',
      result: resultOf(found),
      meaning: 'The object is as the Kubernetes API documents it.',
      evidence: '',
      reasons: found.map((reason) => explainReason(reason, placeWithin(source, reason.path))),
    },
  ];
}

function controlRules(
  policy: PodPolicy | undefined,
  { pod, source }: { readonly pod: PodDecision; readonly source: PodSource },
): readonly ExplainedRule[] {
  if (policy === undefined || policy.podSecurity === null || !parsePod(source.value).ok) return [];
  const { podSecurity } = policy;
  const all: readonly PodReason[] = [...pod.reasons, ...pod.warnings, ...pod.observed];
  return controlsFor(podSecurity).map(({ id, title }) => {
    const found = all.filter(({ control }) => control === id);
    return {
      policy: policy.name,
      rule: 'spec.podSecurity',
      type: id,
      mode: policy.mode,
      image: '',
      result: resultOf(found),
      meaning: `${title}.`,
      evidence: found.length > 0 ? '' : `level ${podSecurity.level}, version 1.${String(podSecurity.version)}`,
      reasons: found.map((reason) => explainReason(reason, placeWithin(source, reason.path))),
    };
  });
}

function nodeRules(
  policy: PodPolicy | undefined,
  { pod, source }: { readonly pod: PodDecision; readonly source: PodSource },
): readonly ExplainedRule[] {
  if (policy === undefined || policy.nodes === null || !parsePod(source.value).ok) return [];
  const { nodes } = policy;
  const found = [...pod.reasons, ...pod.warnings, ...pod.observed].filter(({ rule }) => rule === 'spec.nodes');
  return [
    {
      policy: policy.name,
      rule: 'spec.nodes',
      type: 'nodes',
      mode: nodes.mode ?? policy.mode,
      image: '',
      result: resultOf(found),
      meaning: describeNodeCondition(nodes),
      evidence: found.length > 0 ? '' : 'the posture of the nodes in the snapshot',
      reasons: found.map((reason) => explainReason(reason, placeWithin(source, reason.path))),
    },
  ];
}

function notesOf(
  source: PodSource,
  { deciding, created, pod }: { readonly deciding: PodPolicy | undefined } & Record<'created' | 'pod', PodDecision>,
): readonly string[] {
  const notes: string[] = [];
  const isAllowed = pod.outcome === 'allow';
  if (source.path !== '' && !isAllowed && created.outcome === 'allow')
    notes.push(
      `The object itself is created, with ${deciding?.templates === 'observe' ? 'no warning' : 'warnings'} (templates: ${deciding?.templates ?? 'warn'}); its pods are refused.`,
    );
  if (hasBreakGlass(source)) {
    const { users = [], groups = [] } = deciding?.breakGlass ?? {};
    const who = [...users, ...groups.map((group) => `group ${group}`)].join(', ');
    notes.push(
      who === ''
        ? `The annotation ${BREAK_GLASS_ANNOTATION} is refused: no policy says who may set it.`
        : `The annotation ${BREAK_GLASS_ANNOTATION} lets it run in spite of violations if ${who} sets it, and is refused from anyone else.`,
    );
  }
  return notes;
}

function hasBreakGlass({ value }: PodSource): boolean {
  const { metadata } = (value ?? {}) as { readonly metadata?: unknown };
  const { annotations } = (metadata ?? {}) as { readonly annotations?: unknown };
  return typeof annotations === 'object' && annotations !== null && Object.hasOwn(annotations, BREAK_GLASS_ANNOTATION);
}
