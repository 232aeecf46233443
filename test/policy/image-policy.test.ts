import fc from 'fast-check';
import t from 'tap';
import { modeOf, parsePolicy } from '../../policy/image-policy.ts';
import { document } from '../fixture/image-evidence.ts';

function problemOf(value: unknown): string {
  const parsed = parsePolicy({ value, source: 'p.yaml' });
  return parsed.ok ? '' : parsed.problem;
}

void t.test('defaults', (t) => {
  const parsed = parsePolicy({ value: document([]), source: 'p.yaml' });
  if (!parsed.ok) throw new Error(parsed.problem);
  t.equal(parsed.value.mode, 'enforce');
  t.strictSame(
    parsed.value.match.images.map(({ text }) => text),
    ['**'],
  );
  t.strictSame(parsed.value.match.namespaces, ['*']);
  t.strictSame(parsed.value.accept, { gaps: [], unjudged: [] });
  t.end();
});

void t.test('what is wrong is said with its place', (t) => {
  const rows: readonly (readonly [value: unknown, problem: RegExp])[] = [
    [null, /^expected an object/],
    [[], /^expected an object/],
    [{ kind: 'Pod' }, /^kind: expected ImagePolicy, PodPolicy, ContainerPolicy, RolloutPolicy or ResponsePolicy$/],
    [{ ...document([]), apiVersion: 'v1' }, /^apiVersion: expected one of plimsoll\.dev\/v1$/],
    [{ ...document([]), extra: 1 }, /^value\.extra: unknown field/],
    [document([], {}, 'Upper'), /^metadata\.name: expected a name/],
    [document([], { mod: 'warn' }), /^spec\.mod: unknown field; did you mean `mode`\?$/],
    [document([], { mode: 'strict' }), /^spec\.mode: expected one of enforce, warn, observe$/],
    [document([], { match: { images: [] } }), /^spec\.match: an empty list matches no image/],
    [document([], { match: { images: ['registry.example.com'] } }), /^spec\.match\.images\[0\]: /],
    [document([], { match: { image: ['**'] } }), /^spec\.match\.image: unknown field; did you mean `images`\?$/],
    [document(['x']), /^spec\.rules\[0\]: expected an object/],
    [document([{}]), /^spec\.rules\[0\]\.type: expected one of age, /],
    [document([{ type: 'vulnerabilty' }]), /^spec\.rules\[0\]\.type: .*did you mean `vulnerability`\?$/],
    [document([{ type: '__proto__' }]), /^spec\.rules\[0\]\.type: expected one of/],
    [
      document([
        { type: 'age', maxAge: '1d' },
        { type: 'vulnerability', severity: 'hgih' },
      ]),
      /^spec\.rules\[1\]\.severity: expected one of critical/,
    ],
    [
      document([{ type: 'vulnerability', sevrity: 'high' }]),
      /^spec\.rules\[0\]\.sevrity: unknown field; did you mean `severity`\?$/,
    ],
    [document([{ type: 'vulnerability', epss: 50 }]), /^spec\.rules\[0\]\.epss: expected a number from 0 to 1$/],
    [document([{ type: 'age', maxAge: 30 }]), /^spec\.rules\[0\]\.maxAge: expected a duration such as/],
    [document([{ type: 'age', maxAge: '0d' }]), /maxAge: expected a duration/],
    [document([{ type: 'age', maxAge: '99999d' }]), /maxAge: expected a duration.*at most 10 years/],
    [
      document([{ type: 'configuration', checks: ['image.healthchek'] }]),
      /checks\[0\]: .*did you mean `image\.healthcheck`\?$/,
    ],
    [
      document([{ type: 'configuration', checks: ['kernel.lockdown'] }]),
      /checks\[0\]: expected the id of a check of images/,
    ],
    [document([{ type: 'reference' }]), /^spec\.rules\[0\]: expected requireDigest/],
    [document([{ type: 'signature', authorities: [] }]), /authorities: expected at least one$/],
    [
      document([{ type: 'signature', authorities: [{ name: 'a' }] }]),
      /authorities\[0\]: expected either key or keyless$/,
    ],
    [
      document([{ type: 'signature', authorities: [{ name: 'a', key: {} }] }]),
      /authorities\[0\]\.key: expected either file or pem$/,
    ],
    [
      document([
        { type: 'signature', authorities: [{ name: 'a', keyless: { issuer: 'i', identity: '*', trustedRoot: 'r' } }] },
      ]),
      /keyless\.identity: expected more than a wildcard/,
    ],
    [
      document([{ type: 'package', forbid: [{ name: 'x', version: '1.0' }] }]),
      /forbid\[0\]\.version: expected a range/,
    ],
    [
      document([{ type: 'package', forbid: [{ name: 'x', type: 'npm', version: '<one' }] }]),
      /forbid\[0\]\.version: not a version of npm$/,
    ],
    [document([{ type: 'registry', allow: ['https://x.example/a'] }]), /allow\[0\]: a pattern has no scheme/],
    [document([], { accept: { unjudged: ['everything'] } }), /^spec\.accept\.unjudged\[0\]: expected one of/],
    [
      JSON.parse(
        '{"apiVersion":"plimsoll.dev/v1","kind":"ImagePolicy","metadata":{"name":"a"},"spec":{"rules":[],"__proto__":{"mode":"warn"}}}',
      ),
      /^spec: has a key that is not a field/,
    ],
  ];
  for (const [value, problem] of rows) t.match(problemOf(value), problem);
  t.end();
});

void t.test('the file of a secret that is taken for a policy is not quoted', (t) => {
  t.notMatch(problemOf({ kind: 'ImagePolicy', 'root:$6$salt$hash:19000': 1 }), /salt/);
  t.notMatch(problemOf(document([{ type: 'hunter2!' }])), /hunter2/);
  t.end();
});

void t.test('a rule can only be milder than its policy', (t) => {
  t.equal(modeOf({ mode: 'enforce' }, { mode: null }), 'enforce');
  t.equal(modeOf({ mode: 'enforce' }, { mode: 'warn' }), 'warn');
  t.equal(modeOf({ mode: 'observe' }, { mode: 'enforce' }), 'observe');
  t.end();
});

void t.test('never throws', (t) => {
  fc.assert(
    fc.property(fc.anything(), (value) => void parsePolicy({ value, source: '' })),
    { seed: 1 },
  );
  fc.assert(
    fc.property(
      fc.anything(),
      fc.anything(),
      (rule, match) => void parsePolicy({ value: document([rule], { match }), source: '' }),
    ),
    { seed: 2 },
  );
  t.end();
});
