import * as s from '../posture/schema.ts';
import { count, time } from './part.ts';

const outcome = s.openOneOf(
  ['allow', 'deny', 'couldNotTell'],
  'couldNotTell: no rule is violated, but something that a rule needs is not known; such an image is not allowed',
);

const reason = s.object({
  policy: s.string('name of the policy; empty: no policy applies'),
  rule: s.string('place of the rule in the policy: `spec.rules[2]`'),
  code: s.string('stable; docs/policy.md lists the codes'),
  kind: s.openOneOf(['violation', 'unknown']),
  severity: s.string(),
  about: s.string('what it is about within the image'),
  actual: s.string('what was found'),
  expected: s.string('what the policy wants'),
  action: s.string('what to do about it'),
  message: s.nullable(s.string('of the author of the rule')),
});
const reasons = (doc: string) => s.list(reason, doc, 1000);

const policySuppression = s.object({
  vulnerability: s.string('id'),
  package: s.string('name and version'),
  by: s.openOneOf(['vex', 'waiver']),
  reason: s.string('why it does not count'),
  source: s.string('file and place of the statement or waiver'),
  expiresMs: s.nullable(time('from when on it counts again; absent: it has no end')),
});
/** A vulnerability that policies leave out. */
export type PolicySuppression = s.Infer<typeof policySuppression>;
const suppressions = s.list(
  policySuppression,
  'vulnerabilities that a rule would object to if VEX or a waiver did not suppress them; at most 10 of a policy',
  1000,
);

const decisionFields = {
  outcome,
  reasons: reasons('why it is not allowed, worst first; at most 10 of a policy'),
  warnings: reasons('the same of rules in mode `warn`'),
  observed: reasons('the same of rules in mode `observe`'),
  omitted: count('reasons that are left out'),
  suppressions,
  omittedSuppressions: count('suppressed vulnerabilities that are left out'),
};

/** The verdicts of the policies on one image under some digests. */
export const imageVerdicts = s.object({
  digests: s.list(s.string(), 'id of the image, or digests of manifests and indexes that name it', 64),
  judgedMs: time('when'),
  databaseBuiltMs: s.nullable(time('when the vulnerability database was built')),
  policies: s.list(
    s.object({
      policy: s.string('name'),
      repository: s.nullable(s.string('the only repository that the verdict is for; absent: it is for all')),
      ...decisionFields,
      validUntilMs: s.nullable(time('until when the answer holds without the collector; absent: without an end')),
    }),
    'of every policy, whether or not it applies; rules about the reference and the registry are not among them',
    4000,
  ),
});

/** What a tag that containers were started from names now. */
export const tagState = s.object({
  reference: s.string('registry/path:tag'),
  state: s.openOneOf(
    ['same', 'moved', 'gone', 'unknown'],
    'same: the image that runs; moved: another one; gone: nothing; unknown: the registry was not asked, or never answered',
  ),
  digest: s.nullable(s.string('that the tag names')),
  checkedMs: s.nullable(time('when the registry answered last')),
  reason: s.string('why there is no newer answer; empty: there was one'),
});

/** What the policies decide about one running image. */
export const simulatedImage = s.object({
  id: s.string('sha256:… of the configuration'),
  name: s.string('reference that its containers were started from'),
  containers: count('running containers of the image with this reference'),
  policies: s.list(s.string(), 'names of the policies that decide', 1000),
  ...decisionFields,
  enforced: s.openOneOf(
    ['allow', 'deny', 'couldNotTell'],
    'the outcome if all rules were enforced, also those in the modes `warn` and `observe`',
  ),
});
/** See {@link simulatedImage}. */
export type SimulatedImage = s.Infer<typeof simulatedImage>;

const outcomeCounts = s.object({ allow: count(), deny: count(), couldNotTell: count() });

/** What the policies decide about the running fleet. */
export const simulation = s.object({
  policies: s.list(
    s.object({
      policy: s.string('name; empty: images that no policy applies to'),
      mode: s.string(),
      images: count('running images that it decides on'),
      containers: outcomeCounts,
      enforced: outcomeCounts,
    }),
    'containers by the outcome for their image',
    1001,
  ),
  images: s.list(simulatedImage, 'the worst first, then by containers', 10_000),
  total: count('running images, with each reference'),
});
/** See {@link simulation}. */
export type Simulation = s.Infer<typeof simulation>;

/** How far the scan of an image is. */
export const imageScan = s.object({
  image: s.string('complete reference'),
  state: s.openOneOf(['waiting', 'running', 'done', 'failed']),
  digest: s.string('that the reference named; empty: not known yet'),
  reason: s.string('why it failed; empty: it did not'),
});
/** Scans that were asked for. */
export const imageScans = s.object({ scans: s.list(imageScan, 'the newest last', 1000) });

/** The key that snapshots are signed with. */
export const snapshotKey = s.object({
  id: s.string('first half of the SHA-256 of the key, hexadecimal'),
  publicKey: s.string('Ed25519, in PEM'),
});

const condition = s.object({
  place: s.string('`spec.rules[2]`'),
  mode: s.string('`enforce`, `warn` or `observe`'),
  text: s.string('what must hold, in words'),
  message: s.nullable(s.string('of the author')),
});
const listedPolicy = s.object({
  kind: s.openOneOf(['ImagePolicy', 'PodPolicy', 'ContainerPolicy']),
  name: s.string(),
  mode: s.string('`enforce`, `warn` or `observe`'),
  source: s.string('name of its file, with the number of the document where it has several'),
  images: s.list(s.string(), 'patterns of repositories that an ImagePolicy is for', 256),
  namespaces: s.list(s.string(), 'patterns of namespaces that it is for; of a ContainerPolicy none', 256),
  clients: s.list(s.string(), 'patterns of clients of dockerd that a ContainerPolicy is for', 256),
  conditions: s.list(condition, 'all must hold', 256),
});
/** See {@link policyList}. */
export type ListedPolicy = s.Infer<typeof listedPolicy>;

/** The policies of the collector. */
export const policyList = s.object({
  policies: s.list(listedPolicy, 'that are in use, by kind and name', 1000),
  problems: s.list(
    s.object({ source: s.string('file'), problem: s.string('what is wrong, such as a conflict of two policies') }),
    'why the files as they are now are not in use; while there is one, the policies that were loaded before stay in use',
    100,
  ),
});

/** What policies, waivers and the admission webhook leave out. */
export const exemptionList = s.object({
  waivers: s.list(
    s.object({
      ids: s.list(s.string(), 'ids of vulnerabilities or advisories', 1000),
      packages: s.list(s.string(), 'patterns of names; empty: any package', 1000),
      images: s.list(s.string(), 'patterns of references; empty: any image', 1000),
      reason: s.string(),
      owner: s.string('who answers for it'),
      expiresMs: time('from when on it does not apply'),
      isExpired: s.boolean(),
      source: s.string('file and place'),
      policy: s.nullable(s.string('the only policy that it is for; absent: it is of the setting `waivers`')),
    }),
    'of vulnerabilities; the one that expires first comes first',
    10_000,
  ),
  omittedWaivers: count('waivers that are left out'),
  namespaces: s.list(
    s.object({
      name: s.string('', 253),
      origin: s.openOneOf(
        ['setting', 'labels'],
        'setting: `kubernetes-admission-exempt` names it; labels: its labels leave it out, and no setting names it',
      ),
      because: s.string('the label or expression that leaves it out; empty: the setting'),
    }),
    'that the admission webhook is not asked about, or need not be; empty outside of Kubernetes',
    2000,
  ),
  namespacesProblem: s.nullable(s.string('why it is not known which namespaces are left out by their labels')),
  exceptions: s.list(
    s.object({
      kind: s.openOneOf(['ImagePolicy', 'PodPolicy']),
      policy: s.string('name'),
      place: s.string('`spec.podSecurity.exempt`'),
      text: s.string('what it leaves out, in words'),
    }),
    'what policies leave out of their own conditions, without an end',
    4000,
  ),
});
/** See {@link exemptionList}. */
export type ExemptionList = s.Infer<typeof exemptionList>;

/** The codes of all reasons, also of rules that are not enforced, each once with how often it occurs. */
export function reasonSummary({
  reasons: enforced,
  warnings,
  observed,
  omitted,
  suppressions: suppressedOnes,
  omittedSuppressions,
}: Pick<
  SimulatedImage,
  'reasons' | 'warnings' | 'observed' | 'omitted' | 'suppressions' | 'omittedSuppressions'
>): string {
  const codes = Map.groupBy([...enforced, ...warnings, ...observed], ({ code }) => code);
  const parts = [...codes].map(([code, all]) => (all.length === 1 ? code : `${code} (${String(all.length)})`));
  const suppressed = suppressedOnes.length + omittedSuppressions;
  return [
    ...parts,
    ...(omitted > 0 ? [`and ${String(omitted)} more`] : []),
    ...(suppressed > 0 ? [`${String(suppressed)} suppressed`] : []),
  ].join(', ');
}

/** What people read for an outcome. */
export function outcomeLabel(value: string): string {
  return value === 'couldNotTell' ? 'could not tell' : value;
}
