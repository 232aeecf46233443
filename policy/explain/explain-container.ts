import { decideFromSnapshot } from '../decide-from-snapshot.ts';
import { authorize } from '../docker/authorize.ts';
import { selectContainerPolicy } from '../docker/container-policy.ts';
import { explainReason } from './explanation.ts';
import type { ExplainSources } from './explain-image.ts';
import type { Explanation } from './explanation.ts';

/** The API version of a request that only names an image. */
const CREATE = '/v1.47/containers/create';

/** What a container is created with. */
export interface ContainerSubject {
  readonly reference: string;
  /** Common name of the TLS client certificate; undefined: none, as on the unix socket. */
  readonly client: string | undefined;
}

/**
 * Explains how Docker authorization decides on `docker create IMAGE` without further options, on a host with cgroup v2: the container policy for
 * the client, and what it has against the image. Pure.
 */
export function explainContainer(
  { reference, client }: ContainerSubject,
  { snapshot, now }: ExplainSources,
): Explanation {
  const body = new TextEncoder().encode(JSON.stringify({ Image: reference }));
  const headers = { 'Content-Type': 'application/json', 'Content-Length': String(body.length) };
  const policies = snapshot.containerPolicies;
  const { violations, isAllowed } = authorize(
    { client, method: 'POST', target: CREATE, headers, body },
    {
      policies,
      judgeImage: (image) =>
        decideFromSnapshot({ reference: image, digest: undefined, namespace: undefined }, snapshot, now),
      isCgroupV2: true,
    },
  );
  const policy = selectContainerPolicy(policies, client);
  const outcome = isAllowed ? 'allow' : 'deny';
  const name = client === undefined ? 'requests without a client certificate' : `the client ${client}`;
  const mode = policy?.mode ?? 'enforce';
  const reasons = violations.map(({ field, actual, action }) =>
    explainReason(
      {
        code: 'container-policy',
        kind: 'violation',
        severity: 'high',
        about: '',
        actual,
        expected: 'a request that the policy allows',
        action,
        policy: policy?.name ?? '',
        rule: '',
      },
      field,
    ),
  );
  return {
    kind: 'Container',
    name: reference,
    namespace: undefined,
    outcome,
    created: outcome,
    policies:
      policy === undefined
        ? []
        : [
            {
              kind: 'ContainerPolicy',
              name: policy.name,
              mode,
              image: reference,
              decides: true,
              why: `the most specific match for ${name}`,
            },
          ],
    rules: [
      {
        policy: policy?.name ?? '',
        rule: policy === undefined ? 'spec.match' : 'spec.images',
        type: 'images',
        mode,
        image: reference,
        result: reasons.length === 0 ? 'pass' : 'violation',
        meaning: 'Docker creates a container of the image, without further options.',
        evidence:
          reasons.length > 0
            ? ''
            : policy?.images.judge === false
              ? 'images are not judged'
              : 'allowed by image policies',
        reasons,
      },
    ],
    notes: [],
  };
}
