import { policySpec } from '../policy/image-policy.ts';
import { podPolicySpec } from '../policy/pod/pod-policy.ts';
import { POD_SECURITY_CONTROLS } from '../policy/pod/security/pod-security.ts';
import { REASON_CODES } from '../policy/reason.ts';
import { RULE_SCHEMAS } from '../policy/rule/rules.ts';
import type { Shape } from '../posture/schema.ts';

const INTRODUCTION = `An image policy says which images may run. \`plimsoll gate\` applies policies in a pipeline; \`plimsoll policy check\` verifies policy files, \`plimsoll policy test\` tests what they decide. A policy file is YAML (or JSON) of at most 256 KiB with one or several documents:

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata:
  name: production
spec:
  match:
    images: ['registry.example.com/shop/**']
    namespaces: ['prod-*']
  mode: enforce
  rules:
    - type: registry
      allow: ['registry.example.com/shop/**']
    - type: signature
      authorities:
        - name: release
          key: { file: cosign.pub }
    - type: database
      maxAge: 48h
    - type: vulnerability
      severity: high
      fixAvailableFor: 7d
    - type: vulnerability
      knownExploited: true
      message: Ask the security team before you waive this.
    - type: configuration
      checks: [image.default-user]
      mode: warn
    - type: configuration
      forbidEnvironmentSecrets: true
      allowSetuid: [/usr/bin/su, /usr/bin/passwd]
\`\`\`

A key that is unknown or occurs twice is an error, with its place: \`spec.rules[2].severity: expected …\`. One error refuses all files.

## Which policy decides

Of the policies that match an image, the most specific decides alone. The pattern of the image counts first: a literal registry before \`*\`, then the components of the path from the left, literal before \`*\` before \`**\`. Of equal patterns, the more specific namespace decides. Two policies that can match the same image and are equally specific are an error when they are loaded. An image that no policy matches is not allowed: the answer is \`couldNotTell\` with the code \`no-policy\`. A policy without \`match\` applies to every image that no other policy matches.

\`plimsoll policy explain\` shows it for an image, or for the pods and templates of a manifest: the policies that match and why one decides, each rule with what it was judged by, and what to do. It decides by the snapshot of the collector, by a snapshot on disk or by policy files; its exit status is 1 where something may not run. Exempt namespaces of the webhook and users who may break the glass are not known to it.

\`\`\`sh
plimsoll policy explain registry.example.com/shop/db:16 --namespace prod-eu
kubectl get deployment web -o yaml | plimsoll policy explain - --policy policies/pods.yaml
\`\`\`

References are completed as Docker does it (\`alpine\` is \`docker.io/library/alpine:latest\`), and registries are compared in lower case without the default port. Where a reference has a tag and a digest, the digest decides.

The collector (setting \`policies\`) makes [findings](policy-snapshot.md#findings) of running images that the rules \`vulnerability\`, \`scan\`, \`package\` and \`signature\` refuse, whatever the mode of the policy.

## The decision

All rules of the policy are judged, and every violation is a reason. \`deny\`: a rule is violated. \`couldNotTell\`: no rule is violated, but evidence that a rule needs is missing, such as packages that could not be read or a registry that did not answer; this is never \`allow\`. Rules in mode \`warn\` and \`observe\` do not change the outcome. The mode of a rule can only be milder than that of its policy.

Three gaps can be accepted where they are known: \`spec.accept.gaps\` (paths of the image that need not be readable), \`spec.accept.unjudged\` (packages without advisories) and \`unknownSeverity\` of a rule about vulnerabilities.

No source says when a fixed version was released. \`fixAvailableFor\` counts from the publication of the advisory, so the grace can only be shorter than it should be.`;

/** What `plimsoll policy test` prints about the example; a test compares it. */
const POD_TEST_OUTPUT = `
$ plimsoll policy test test.yaml
RESULT  CASE                               OUTCOME                   DIFFERENCE
ok      a privileged pod                   deny
ok      an exempt namespace                allow (exempt namespace)
ok      break-glass by the group that may  allow (break-glass)
ok      the pods of a Deployment           allow`.trim();

const TESTS = `## Tests

\`plimsoll policy test FILE\` runs cases. What a case does not say is not known. \`reasons\` and \`warnings\` are the codes of all reasons, in any order; leave them out to compare the outcome only.

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: ImagePolicyTest
policies: [production.yaml]
now: 2026-11-28T12:00:00Z
cases:
  - name: a known exploited vulnerability refuses the image
    image: registry.example.com/shop/db:16
    namespace: prod-eu
    evidence:
      packages: [{ type: deb, name: openssl, version: 3.0.11-1 }]
      vulnerabilities:
        - { id: CVE-2026-1, severity: medium, package: openssl, knownExploited: true }
      signatures: { release: verified }
      checks: { image.default-user: pass }
      environmentSecrets: []
      setuid: [/usr/bin/su]
    expect: { outcome: deny, reasons: [vulnerability], warnings: [] }
\`\`\`

### Pods

A document of \`kind: PodPolicyTest\` has cases for pods and for objects that create pods. They are decided as admission control decides them: by a snapshot with verdicts on the images of the case, and by the pod policy of the namespace. Break-glass counts as in admission control, and so do exempt namespaces. \`plimsoll policy explain\` shows such a decision rule by rule. For these policies, in \`shop.yaml\`:

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: shop }
spec:
  match: { images: ['registry.example.com/shop/**'] }
  rules: [{ type: vulnerability, severity: critical }]
---
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata: { name: pods }
spec: { podSecurity: { level: baseline }, nodes: { severity: critical }, breakGlass: { groups: [sre] } }
\`\`\`

these cases:

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: PodPolicyTest
policies: [shop.yaml]
exemptNamespaces: [kube-system]
now: 2026-11-28T12:00:00Z
cases:
  - name: a privileged pod
    namespace: prod-eu
    object:
      kind: Pod
      spec:
        initContainers:
          - { name: init, image: registry.example.com/shop/init:1 }
        containers:
          - { name: web, image: registry.example.com/shop/web:1, securityContext: { privileged: true } }
    images:
      - image: registry.example.com/shop/web:1
        digest: sha256:1111111111111111111111111111111111111111111111111111111111111111
        evidence: { packages: [], vulnerabilities: [] }
    nodes: [{ name: web-1 }]
    expect: { outcome: deny, reasons: [pod-security, not-scanned] }
  - name: an exempt namespace
    namespace: kube-system
    object: { kind: Pod, spec: { hostNetwork: true, containers: [{ name: proxy, image: registry.k8s.io/kube-proxy:1 }] } }
    expect: { outcome: allow, allowedBy: exemptNamespace }
  - name: break-glass by the group that may
    namespace: prod-eu
    user: { name: bob@example.com, groups: [sre] }
    object:
      kind: Pod
      metadata: { annotations: { plimsoll.dev/break-glass: outage 42 } }
      spec: { hostNetwork: true, containers: [{ name: web, image: registry.example.com/shop/web:1 }] }
    nodes: [{ name: web-1 }]
    expect: { outcome: allow, reasons: [pod-security, not-scanned], allowedBy: breakGlass }
  - name: the pods of a Deployment
    namespace: prod-eu
    object:
      kind: Deployment
      spec:
        template:
          spec:
            nodeSelector: { pool: web }
            containers: [{ name: web, image: registry.example.com/shop/web:1 }]
    images:
      - image: registry.example.com/shop/web:1
        digest: sha256:1111111111111111111111111111111111111111111111111111111111111111
        evidence:
          packages: [{ name: openssl, version: 3.0.11-1 }]
          vulnerabilities: [{ id: CVE-2026-1, severity: critical, package: openssl }]
    nodes:
      - { name: web-1, labels: { pool: web }, failed: { critical: 1 } }
    expect:
      outcome: allow
      warnings: [node-posture, not-scanned]
      pods: { outcome: deny, reasons: [node-posture, vulnerability] }
\`\`\`

\`\`\`text
${POD_TEST_OUTPUT}
\`\`\`

| field        | meaning                                                                                                                                                                                                                                       |
| ------------ | --------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------- |
| \`exemptNamespaces\` | of the whole document: namespaces as in \`admission-exempt-namespaces\`; default: none |
| \`object\`, \`file\` | the object, or a manifest with exactly one |
| \`namespace\` | default: that of the object, or \`default\` |
| \`user\` | who sends the request: \`name\` and \`groups\`; default: nobody that a policy names |
| \`images\` | what the collector knows: \`evidence\` as in the cases above, for a reference with a digest, or with a tag and the \`digest\` that it names. Admission control pins such tags in pods, not in templates. An image that is not listed, or has no evidence, is not judged: \`unscannedImages\` of the policy says what that means |
| \`nodes\` | nodes of the cluster with \`labels\`, \`failed\` and \`unknown\` (checks of the node by severity) and \`reportedAgo\`; without it no node is known |
| \`expect\` | \`outcome\`, \`reasons\` and \`warnings\` of the request that creates the object; \`pods\`: those of the pods that a template creates; \`allowedBy\`: \`policies\`, \`breakGlass\` (then \`reasons\` are those that it overrides) or \`exemptNamespace\` |

\`--output junit\` prints both kinds of cases as JUnit XML, \`--output json\` with the codes of all reasons. The exit status is 1 if a decision differs.`;

const POD_POLICIES = `## Pod policies

A pod policy says what pods may ask for. It is a document of \`kind: PodPolicy\` in the same files:

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata:
  name: production
spec:
  match:
    namespaces: ['prod-*']
  mode: enforce
  podSecurity:
    level: restricted
    version: '1.34'
\`\`\`

Of the policies that match a namespace, the most specific decides alone; two that are equally specific are an error when they are loaded. Where none matches, pods may ask for anything. The images of pods are judged by image policies, whatever the pod policy.

A pod is refused with the code \`pod-malformed\` if a field that is judged has another type than the Kubernetes API documents, or a list has more than 1,000 items. Of each control the first ten violations are listed.`;

const NODES = `### Conditions on nodes

\`spec.nodes\` of a pod policy refuses pods that can be scheduled on nodes with open failed checks:

\`\`\`yaml
spec:
  match:
    namespaces: ['prod-*']
  nodes:
    severity: critical
    possible: every
    maxAge: 15m
    unknown: deny
\`\`\`

Admission control sees a pod before it is scheduled. The nodes on which it can be scheduled are those that its \`nodeName\`, \`nodeSelector\` and required node affinity select. Preferences do not count; taints and resources are not known, so more nodes count than the scheduler takes, never fewer. With \`possible: every\` none of them may have an open failed check of the severity; with \`some\` one of them must have none, and the others are a warning, because the scheduler may still take one of them.

- Only checks of the node itself count (host, daemons, files, listeners), not those of containers and images.
- The names and labels of the nodes are those of the API server, and the agent of a node is the one whose certificate has the uid of the Node object. The collector needs \`kubernetes\`; it publishes the nodes in the signed snapshot when their posture changes, and once a minute, at most 10,000.
- A node is not known if no agent reports from it, if its agent has not reported for \`maxAge\`, or if a check of the severity could not be answered there. What failed stays a failure, whatever its age. With policy files, without a snapshot, no node is known. \`unknown\` says what a pod gets then: while the collector is down for longer than \`maxAge\`, \`deny\` refuses the pods of these namespaces.
- A pod that is bound to a node is not judged again: a node that fails later keeps its pods. [Response policies](rollout.md#responses-to-findings) cordon such nodes or evict pods.
- Whoever may label nodes, or controls a kubelet, can move a node out of a selector until a pod is admitted. Select by labels below \`node-restriction.kubernetes.io/\`, which a kubelet cannot set, or name no selector.

\`plimsoll policy explain\` shows the rule as \`spec.nodes\`.`;

const EXPORT = `## Enforced by the API server

\`plimsoll policy export --format vap FILE…\` prints policies as ValidatingAdmissionPolicy objects with their bindings, which the API server of Kubernetes 1.30 and newer enforces without a webhook: one for the rules in mode \`enforce\` (\`Deny\`), one each for \`warn\` (\`Warn\`) and \`observe\` (\`Audit\`).

\`\`\`sh
plimsoll policy export --format vap policies/*.yaml | kubectl apply -f -
\`\`\`

They hold the rules \`registry\` and \`reference\` of image policies, and pod policies; all other rules, and conditions on nodes, need evidence that the API server does not have, and are named on standard error. They apply to pods and their ephemeral containers, in all namespaces that the policies match, also \`kube-system\`: add a \`namespaceSelector\` to the bindings to leave some out. Updates that do not change the spec of a pod pass. \`templates\` and \`breakGlass\` have no effect in them. An image that no image policy matches is refused if image policies are exported.`;

function controlTable(): string {
  const rows = POD_SECURITY_CONTROLS.map(
    ({ id, level, since, title }) => `| \`${id}\` | ${level} | 1.${String(since)} | ${title} |`,
  );
  return ['| control | level | since | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

/** `docs/policy.md`: what image policies are, every field, every rule and every reason. */
export function policyPage(generated: string): string {
  const rules = Object.entries(RULE_SCHEMAS).flatMap(([type, { shape }]) => [
    `### ${type}`,
    shape.doc,
    fieldTable(shape, new Set(['type', 'mode', 'message'])),
  ]);
  const head = RULE_SCHEMAS.age.shape;
  const common = head.kind === 'object' ? { ...head, fields: pick(head.fields, ['mode', 'message']) } : head;
  const codes = Object.entries(REASON_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return [
    '# Policies',
    generated,
    INTRODUCTION,
    '## Fields of spec',
    fieldTable(policySpec.shape, new Set()),
    '## Rules',
    'Every rule has a `type` and may have these fields:',
    fieldTable(common, new Set()),
    ...rules,
    POD_POLICIES,
    fieldTable(podPolicySpec.shape, new Set()),
    'The controls are those of the [Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/), with the ids of `k8s.io/pod-security-admission`. `restricted` includes those of `baseline`.',
    controlTable(),
    NODES,
    EXPORT,
    '## Codes of reasons',
    ['| code | meaning |', '|---|---|', ...codes].join('\n'),
    TESTS,
  ].join('\n\n');
}

function pick(fields: Readonly<Record<string, Shape>>, names: readonly string[]): Readonly<Record<string, Shape>> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => names.includes(name)));
}

/** The fields of a schema as a table. */
export function fieldTable(shape: Shape, without: ReadonlySet<string> = new Set()): string {
  const rows = fieldsOf(shape, '').filter(({ path }) => !without.has(path));
  return ['| field | value | description |', '|---|---|---|', ...rows.map(rowOf)].join('\n');
}

interface Field {
  readonly path: string;
  readonly shape: Shape;
}

/** Fields, and those of objects within them: `match.images`, `forbid[].name`. */
function fieldsOf(shape: Shape, path: string): readonly Field[] {
  if (shape.kind !== 'object') return [];
  return Object.entries(shape.fields).flatMap(([name, field]) => {
    const own = path === '' ? name : `${path}.${name}`;
    const inner = field.kind === 'nullable' ? field.item : field;
    const nested = inner.kind === 'list' ? fieldsOf(inner.item, `${own}[]`) : fieldsOf(inner, own);
    return [{ path: own, shape: field }].concat(nested);
  });
}

function rowOf({ path, shape }: Field): string {
  const inner = shape.kind === 'nullable' ? shape.item : shape;
  const { preset } = shape;
  const isPlain = typeof preset === 'string' || typeof preset === 'boolean';
  const doc = [shape.doc === '' ? inner.doc : shape.doc, ...(isPlain ? [`default: \`${String(preset)}\``] : [])];
  return `| \`${path}\` | ${valueOf(inner)} | ${doc
    .filter((part) => part !== '')
    .join('; ')
    .replaceAll('|', '\\|')} |`;
}

function valueOf(shape: Shape): string {
  if (shape.kind === 'oneOf') return shape.values.map((value) => `\`${value}\``).join(', ');
  if (shape.kind === 'list') return shape.item.kind === 'oneOf' ? `list of ${valueOf(shape.item)}` : 'list';
  return shape.kind;
}
