import { rolloutPolicySpec } from '../policy/rollout/rollout-policy.ts';
import { fieldTable } from './policy-page.ts';

const INTRODUCTION = `A rollout policy says which workloads of a Kubernetes cluster get another image, when, and which one. It is a document of \`kind: RolloutPolicy\` in policy files; \`plimsoll policy check\` verifies it.

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: RolloutPolicy
metadata:
  name: shop
spec:
  match:
    namespaces: [shop]
    images: ['registry.example.com/shop/**']
  trigger:
    severity: high
    fixAvailable: true
    knownExploited: true
  successor:
    - type: sameTag
    - { type: tagPattern, pattern: '16.*' }
\`\`\`

## The plan

\`\`\`sh
plimsoll rollout --plan --rollout-policies rollout.yaml --kubernetes ~/.kube/config --api collector.example.com:7480
\`\`\`

prints one line for each workload that a policy is for: what would be done, and why, or why nothing is. It changes nothing. With \`-o json\` it has every field.

1. **Which workloads.** Deployments, StatefulSets, DaemonSets and CronJobs that \`match\`; where several policies match, the first by name decides. A wildcard does not cover the namespaces of the system.
2. **Which images.** The containers of their pods are looked up at the collector by id and node: what one node reports says nothing about pods of another. An image that no agent reports is matched by its digest, or is not known.
3. **Whether something is wrong with them.** One condition of \`trigger\` is enough. Vulnerabilities that a VEX statement or a valid waiver suppresses do not count. Where nodes report different packages for the same image, nothing is planned.
4. **What replaces them.** The collector asks the registry (settings \`registries\`, \`registry-credentials\`) by the rules of \`successor\`, in the repository of the image only, scans each candidate, and judges it by its [image policies](policy.md) for the namespace of the workload. A candidate is taken if they allow it and it does not set off the trigger itself. What is refused, cannot be judged, or could not be scanned is not taken.
5. **Whether it can go ahead.** A workload that is not ready, or whose update strategy would take more pods down than its PodDisruptionBudget allows, waits. One that Argo CD, Flux, Helm or another controller manages is not patched.

The collector needs image policies (setting \`policies\`): without them no image may run. The operator token needs the role \`operator\` and the scopes \`rollout\` and \`read\`; the credentials of the cluster need \`get\` and \`list\` of workloads, pods, nodes, replicasets, jobs and poddisruptionbudgets.

## Successors that a pipeline announces

\`\`\`sh
plimsoll images announce registry.example.com/shop/db@sha256:… --replaces 16.1
\`\`\`

makes an image a candidate of the successor \`announced\`, for images of the same repository that have one of the named tags or digests. An announcement allows nothing: the image is scanned and judged like any other.`;

/** `docs/rollout.md`: what rollouts do, and every field of their policies. */
export function rolloutPage(generated: string): string {
  return ['# Rollouts', generated, INTRODUCTION, '## Fields of spec', fieldTable(rolloutPolicySpec.shape)].join('\n\n');
}
