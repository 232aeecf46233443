import t from 'tap';
import { parseContainerPolicy } from '../../../policy/docker/container-policy.ts';
import {
  describeContainerPolicy,
  describeImagePolicy,
  describePodPolicy,
  imagePolicyExceptions,
  podPolicyExceptions,
} from '../../../policy/explain/describe-policy.ts';
import { parsePodPolicy } from '../../../policy/pod/pod-policy.ts';
import { policy } from '../../fixture/image-evidence.ts';

/** Each rule, and the words of its author that its description must hold. */
const RULES: readonly (readonly [rule: object, ...words: (string | RegExp)[]])[] = [
  [{ type: 'age', maxAge: '90d' }, '90 days'],
  [{ type: 'architecture', allow: ['amd64', 'arm64'] }, 'amd64 or arm64'],
  [{ type: 'configuration', checks: ['image.default-user'] }, 'image.default-user'],
  [{ type: 'configuration', allowSetuid: [] }, 'setuid or setgid files: none'],
  [{ type: 'configuration', forbidEnvironmentSecrets: true }, 'secret'],
  [{ type: 'database', maxAge: '48h' }, 'database', '2 days'],
  [{ type: 'distribution' }, /security updates$/],
  [{ type: 'distribution', minSupport: '30d' }, '30 days more'],
  [
    { type: 'package', forbid: [{ name: 'log4j-core', version: '<2.17.1' }, { name: 'telnetd' }] },
    'log4j-core <2.17.1 and telnetd',
  ],
  [{ type: 'reference', requireDigest: true, forbidTags: ['latest', 'dev-*'] }, 'digest', 'latest and dev-*'],
  [{ type: 'registry', allow: ['registry.example.com/shop/**'] }, 'registry.example.com/shop/**'],
  [{ type: 'scan', maxAge: '24h' }, '24 hours'],
  [
    {
      type: 'signature',
      match: 'all',
      authorities: [
        { name: 'release', key: { file: 'k.pub' } },
        { name: 'qa', key: { file: 'l.pub' } },
      ],
    },
    'release and qa',
  ],
  [
    { type: 'vulnerability', severity: 'high', fixAvailableFor: '7d', epss: 0.2 },
    'high or worse',
    '7 days',
    'EPSS 0.2',
  ],
];

void t.test('the words of a rule name all that its author wrote', (t) => {
  const described = describeImagePolicy(policy(RULES.map(([rule]) => rule)));
  for (const [index, [rule, ...words]] of RULES.entries()) {
    const one = described[index];
    t.equal(one?.place, `spec.rules[${String(index)}]`);
    for (const word of words)
      t.ok(
        typeof word === 'string' ? one?.text.includes(word) : word.test(one?.text ?? ''),
        `${JSON.stringify(rule)}: ${one?.text ?? ''}`,
      );
  }
  t.end();
});

void t.test('a long list is cut, and says so', (t) => {
  const forbid = Array.from({ length: 300 }, (_, index) => ({ name: `package-${String(index)}` }));
  const [one] = describeImagePolicy(policy([{ type: 'package', forbid }]));
  t.ok((one?.text.length ?? 0) < 500);
  t.match(one?.text, /package-19 and 280 more$/);
  t.end();
});

void t.test('pod and container policies, and exceptions', (t) => {
  const head = { apiVersion: 'plimsoll.dev/v1', metadata: { name: 'one' } };
  const spec = {
    podSecurity: { level: 'restricted', version: '1.30', exempt: ['hostPorts'] },
    breakGlass: { users: ['alice'], groups: ['oncall'] },
    message: 'ask ops',
  };
  const pod = parsePodPolicy({ value: { ...head, kind: 'PodPolicy', spec }, source: 'test' });
  if (!pod.ok) throw new Error(pod.problem);
  t.match(describePodPolicy(pod.value), [{ mode: 'enforce', text: /restricted .* 1\.30$/, message: 'ask ops' }]);
  t.match(podPolicyExceptions(pod.value), [{ text: /hostPorts/ }, { text: /user alice and group oncall/ }]);
  t.strictSame(podPolicyExceptions({ ...pod.value, podSecurity: null, breakGlass: null }), []);
  const value = {
    ...head,
    kind: 'ContainerPolicy',
    spec: { allowPrivileged: true, hostPaths: [{ path: '/srv', readOnly: true }] },
  };
  const container = parseContainerPolicy({ value, source: 'test' });
  if (!container.ok) throw new Error(container.problem);
  const texts = describeContainerPolicy(container.value).map(({ text }) => text);
  t.ok(texts.includes('privileged containers are allowed'), texts.join('\n'));
  t.ok(texts.some((text) => text.includes('/srv (read-only)')));
  const image = policy([]);
  t.strictSame(imagePolicyExceptions(image), []);
  t.match(
    imagePolicyExceptions({ ...image, unscannedImages: 'allow', accept: { gaps: ['/opt/*'], unjudged: ['no-data'] } }),
    [
      { place: 'spec.accept.gaps', text: /\/opt\/\*/ },
      { place: 'spec.accept.unjudged', text: /no-data/ },
      { place: 'spec.unscannedImages' },
    ],
  );
  t.end();
});
