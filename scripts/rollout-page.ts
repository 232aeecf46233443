import { responsePolicySpec } from '../policy/rollout/response-policy.ts';
import { rolloutPolicySpec } from '../policy/rollout/rollout-policy.ts';
import { fieldTable } from './policy-page.ts';

const INTRODUCTION = `\`plimsoll rollout\` replaces vulnerable images of Kubernetes workloads. A rollout policy says which workloads get another image, when, and which one. It is a document of \`kind: RolloutPolicy\` in policy files; \`plimsoll policy check\` verifies it.

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

1. **Which workloads.** Deployments, StatefulSets, DaemonSets and CronJobs that \`match\`; where several policies match, the first by name decides. A wildcard does not cover the namespaces of the system and of Plimsoll.
2. **Which images.** The containers of their pods are looked up at the collector by id and node: what one node reports says nothing about pods of another. An image that no agent reports is matched by its digest, or is not known.
3. **Whether something is wrong with them.** One condition of \`trigger\` is enough. Vulnerabilities that a VEX statement or a valid waiver suppresses do not count. Where nodes report different packages for the same image, nothing is planned.
4. **What replaces them.** The collector asks the registry (settings \`registries\`, \`registry-credentials\`) by the rules of \`successor\`, in the repository of the image only, scans each candidate, and judges it by its [image policies](policy.md) for the namespace of the workload. A candidate is taken if they allow it and it does not set off the trigger itself. What is refused, cannot be judged, or could not be scanned is not taken, and neither is an image under the same tag that was built before the one that runs: a tag that is moved back is no rebuild. Where the registry no longer has the image that runs, their times are not compared.
5. **Whether it can go ahead.** A workload that is not ready, or whose update strategy would take more pods down than its PodDisruptionBudget allows, waits. One that Argo CD, Flux, Helm or another controller manages is not patched.

## Deploy

1. Give the collector image policies (setting \`policies\`): without them no image may run, so there is no successor. Let it ask your registry: \`registries\`, \`registry-credentials\`.
2. Add the component \`manifests/components/operator-api\` to the kustomization of the collector: it opens port 7480 to rollouts and to the [admission webhook](admission.md).
3. Create a token and the Secret, where \`ca.pem\` is the CA of the fleet:

   \`\`\`sh
   kubectl plimsoll token create --name rollout --role operator --scope rollout --scope read > token
   kubectl -n plimsoll create secret generic plimsoll-rollout --from-file=token --from-file=ca.pem
   kubectl apply -k manifests/rollout
   \`\`\`

4. Read the plan: \`kubectl plimsoll rollouts --all\`. The policy of the manifests changes nothing.
5. Set \`mode: apply\` in the ConfigMap \`plimsoll-rollout-policies\`. Each step then waits for an approval.

The service account can patch the four kinds of workloads and create and delete NetworkPolicies, in all namespaces; Kubernetes cannot limit that to images. To limit it to some namespaces, bind the ClusterRole \`plimsoll-rollout-write\` there with RoleBindings. Two replicas run; the one that holds the Lease acts.

## Who approves

\`\`\`sh
plimsoll rollouts                            # what is planned, runs and was done; --all: also why nothing is
plimsoll rollouts show 3f2a9c81d07b4e55
plimsoll rollouts approve 3f2a9c81d07b4e55   # or reject
plimsoll rollouts pause                      # begin nothing; what runs is still watched
\`\`\`

Approving needs the role \`operator\` and, for a token that is restricted to scopes, the scope \`approve\`, which the token of \`plimsoll rollout\` does not have. An id identifies policy, workload, action and images: an approval is for exactly that step, and counts once. Every call is in the audit log, every step is an event of the class Remediation Activity (OCSF 7001) in each sink. \`approval: automatic\` waits for nobody.

## A rollout

The image is replaced by its digest in one request that also writes the annotation \`plimsoll.dev/rollout\` of the workload: which images, since when, how long it may take. A process that starts again goes on from there, and an image that was replaced is not replaced again. A workload that somebody has changed since it was planned is not touched.

The rollout is watched until the workload is ready, and then for the time of \`observe\`. It is rolled back if it is not ready within \`readinessTimeout\`, if its containers have failed checks of severity high or critical that they did not have before (waived ones do not count, and a node without an agent reports none), or if the new image sets off the trigger. What was rolled back is not tried again; remove the annotation to try again. While the collector is down nothing new begins; a rollout that runs is still rolled back if it does not become ready. Its observation does not end without the collector: it waits for it, one hour longer than \`observe\` at most, and then ends as \`notObserved\`, not as \`done\`. A step that cannot be reported then is missing from the record.

- \`budget\` counts what runs, also of earlier rounds and other processes. \`plimsoll rollouts budgets\` and the console show how much of each budget is used, by what, and when maintenance windows open and close.
- The update strategy is that of the workload. One that could take more pods down than its PodDisruptionBudget allows waits; \`maxUnavailable: 0\` never does.
- A StatefulSet whose new pod does not become ready keeps that pod after a rollback: [delete it](https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
- A CronJob is changed for its next run, and is not observed. Jobs of before that still run do not count.

## No successor

\`onNoSuccessor\` asks a pipeline for a new image, and \`onManaged\` sends the patch of a workload that Argo CD, Flux, Helm or another controller manages to where its manifests are. The call is made again, with growing waits up to five minutes, until it is answered with a status from 200 to 299.

| | |
|---|---|
| body | \`event\` (\`rebuild\` or \`patch\`), \`id\`, \`policy\`, \`workload\`, \`images\`, \`reasons\`, \`note\`, \`patch\`; with \`repositoryDispatch\` in \`client_payload\`, with the \`event_type\` \`plimsoll-rebuild\` or \`plimsoll-patch\` |
| \`Idempotency-Key\` | the \`id\`: the same for each call of one step |
| \`X-Plimsoll-Timestamp\` | seconds since 1970 |
| \`X-Plimsoll-Signature\` | \`sha256=\` and the HMAC-SHA256, hexadecimal, of timestamp, a dot and the body, with the key of \`rollout-webhook-key\` |

\`onExploited\` takes a workload offline whose image has a known exploited vulnerability and no successor: only if the packages were read from the layers of the image and all nodes agree, and at most \`budget.offline\` workloads. \`scaleToZero\` keeps the number of replicas in the annotation; \`isolate\` creates a NetworkPolicy without rules, which needs a network plugin that enforces it. The workload comes back when there is a successor, or when its own image does not set off the trigger any more (a VEX statement, a waiver, a corrected database). If its image was changed meanwhile, bring it back by hand and remove the annotation.

## Responses to findings

A document of \`kind: ResponsePolicy\` in the same files says what is done about a failed check of a running container that no [waiver](tailoring.md#waivers) accepts:

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: ResponsePolicy
metadata:
  name: privileged
spec:
  match:
    checks: [container.privileged]
    namespaces: [shop]
  action: evict
\`\`\`

It changes nothing without \`mode: apply\`, waits for \`plimsoll rollouts approve\` unless it says \`approval: automatic\`, and acts at most \`budget.perHour\` times an hour, over all processes and restarts: the collector records each response before it begins. An API server that fails or is not reachable is asked again for five seconds. A response that has failed is tried again after a minute, then after growing pauses, for an hour; these tries need no other approval and do not use the budget again. Responses that were not tried yet come first, so that a pod whose eviction its PodDisruptionBudget never allows does not keep the budget from others. A finding counts only for a pod that runs on the node that reports it, and a node is labelled or cordoned only for what it reports itself, so a node in the hands of somebody else reaches no pods of others. Each pod or node is acted on once for a policy. Eviction respects PodDisruptionBudgets. Nothing is undone: remove the label and the NetworkPolicy, or uncordon the node, by hand. The rights are in \`manifests/rollout/response.yaml\`, which \`kustomization.yaml\` does not include.

## What it never does

- use an image that the image policies of the collector do not allow, that could not be judged, or of another repository;
- patch a workload that another controller manages, or in a namespace of the system that a policy does not name;
- act on what one node says about pods of another node;
- begin anything without the collector.

## Successors that a pipeline announces

\`\`\`sh
plimsoll images announce registry.example.com/shop/db@sha256:… --replaces 16.1
\`\`\`

makes an image a candidate of the successor \`announced\`, for images of the same repository that have one of the named tags or digests. An announcement allows nothing: the image is scanned and judged like any other.

## What was tested

The tests run the two replicas of the manifests, with their service account, on a real cluster of one node (Kubernetes 1.20), beside a collector, an agent and the admission webhook as pods, with images of a real registry (TLS and a password): a dry run; an approved rollout of three replicas, with no moment below their PodDisruptionBudget; a Deployment, a StatefulSet, a DaemonSet and a CronJob that are patched; a broken successor that is rolled back; a webhook that fails twice; a workload with an exploited vulnerability that is scaled to zero and comes back with the fix; an eviction, an isolated pod, a labelled and a cordoned node. When the leader is killed, the other replica leads after 30 seconds. Not tested: a network plugin that enforces NetworkPolicies, several nodes.`;

/** `docs/rollout.md`: what rollouts do, and every field of their policies. */
export function rolloutPage(generated: string): string {
  return [
    '# Rollouts',
    generated,
    INTRODUCTION,
    '## Fields of spec of a RolloutPolicy',
    fieldTable(rolloutPolicySpec.shape),
    '## Fields of spec of a ResponsePolicy',
    fieldTable(responsePolicySpec.shape),
  ].join('\n\n');
}
