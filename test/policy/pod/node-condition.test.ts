import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { readNodes, writeNodes, writtenNodes } from '../../../policy/node-posture.ts';
import type { SnapshotNode, SnapshotNodes } from '../../../policy/node-posture.ts';
import { decidePod } from '../../../policy/pod/decide-pod.ts';
import { explainObject } from '../../../policy/explain/explain-object.ts';
import { isPossibleOn } from '../../../policy/pod/node-selection.ts';
import { parsePod } from '../../../policy/pod/pod.ts';
import type { Pod } from '../../../policy/pod/pod.ts';
import { podPolicyDocument } from '../../../policy/policy-document.ts';
import { parsePodPolicy } from '../../../policy/pod/pod-policy.ts';
import { podPolicy } from '../../fixture/admission-requests.ts';
import { NOW } from '../../fixture/image-evidence.ts';
import { snapshotOf } from '../../fixture/policy-snapshot.ts';

const MINUTE_MS = 60_000;
const NONE = [0, 0, 0, 0];

const node = (name: string, over: Partial<SnapshotNode> = {}): SnapshotNode => ({
  name,
  labels: { pool: name.split('-')[0] ?? '', 'kubernetes.io/os': 'linux' },
  seenAt: NOW - MINUTE_MS,
  failed: NONE,
  unknown: NONE,
  ...over,
});
const CLEAN = node('web-1');
const FAILING = node('old-1', { failed: [1, 0, 0, 0] });
const SILENT = node('lost-1', { seenAt: NOW - 60 * MINUTE_MS });
const BLIND = node('blind-1', { unknown: [2, 0, 0, 0] });

function podWith(spec: object): Record<string, unknown> {
  return { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'a' }], ...spec } };
}

function parsed(spec: object): Pod {
  const pod = parsePod(podWith(spec));
  if (!pod.ok) throw new Error(pod.problem);
  return pod.value;
}

/** `allow`, or the worst mode with the code. */
function decide(
  spec: object,
  condition: object,
  nodes: readonly SnapshotNode[] | undefined,
  { isComplete = true, listedAt = NOW }: Partial<SnapshotNodes> = {},
): string {
  const policy = podPolicy({ nodes: { severity: 'critical', ...condition } });
  const { reasons, warnings, observed } = decidePod(
    { kind: 'Pod', object: podWith(spec), namespace: 'prod-eu' },
    {
      podPolicies: [policy],
      decideImage: () => ({ outcome: 'allow', policies: [], reasons: [], warnings: [], observed: [], suppressed: [] }),
      placement: { nodes: nodes && { listedAt, isComplete, nodes }, now: NOW },
    },
  );
  const lists = { enforce: reasons, warn: warnings, observe: observed };
  const found = Object.entries(lists).flatMap(([mode, list]) => list.map(({ code }) => `${mode} ${code}`));
  return found.length === 0 ? 'allow' : found.join(', ');
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const affinity = (terms: readonly object[], kind = 'requiredDuringSchedulingIgnoredDuringExecution') => ({
  affinity: { nodeAffinity: { [kind]: { nodeSelectorTerms: terms } } },
});
const expression = (key: string, operator: string, ...values: readonly string[]) => ({
  matchExpressions: [{ key, operator, values }],
});

void t.test('where a pod can be scheduled, as the documentation of Kubernetes defines it', (t) => {
  const one = node('web-1', { labels: { pool: 'web', size: '8', 'kubernetes.io/hostname': 'other' } });
  const cases: readonly (readonly [spec: object, possible: boolean | undefined, what: string])[] = [
    [{}, true, 'anywhere'],
    [{ nodeName: 'web-1' }, true, 'nodeName'],
    [{ nodeName: 'web-2' }, false, 'another nodeName'],
    [{ nodeSelector: { pool: 'web' } }, true, 'nodeSelector'],
    [{ nodeSelector: { pool: 'db' } }, false, 'another nodeSelector'],
    [{ nodeSelector: { pool: 'web', disk: 'ssd' } }, false, 'all labels of a nodeSelector must match'],
    [affinity([expression('pool', 'In', 'db', 'web')]), true, 'In'],
    [affinity([expression('pool', 'NotIn', 'web')]), false, 'NotIn'],
    [affinity([expression('disk', 'NotIn', 'ssd')]), true, 'NotIn also selects what has no such label'],
    [affinity([expression('pool', 'Exists')]), true, 'Exists'],
    [affinity([expression('pool', 'DoesNotExist')]), false, 'DoesNotExist'],
    [affinity([expression('size', 'Gt', '7')]), true, 'Gt'],
    [affinity([expression('size', 'Lt', '8')]), false, 'Lt'],
    [affinity([expression('pool', 'Gt', '7')]), false, 'Gt of what is no integer'],
    [affinity([expression('pool', 'In', 'db'), expression('pool', 'In', 'web')]), true, 'terms are ORed'],
    [
      affinity([
        {
          matchExpressions: [expression('pool', 'In', 'web'), expression('disk', 'Exists')].flatMap(
            (e) => e.matchExpressions,
          ),
        },
      ]),
      false,
      'expressions of a term are ANDed',
    ],
    [
      affinity([{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['web-1'] }] }]),
      true,
      'a DaemonSet pod',
    ],
    [
      affinity([{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['web-2'] }] }]),
      false,
      'of another node',
    ],
    [affinity([{}]), false, 'an empty term selects nothing'],
    [affinity([]), false, 'no term selects nothing'],
    [{ nodeSelector: { pool: 'web' }, ...affinity([expression('pool', 'In', 'db')]) }, false, 'both must match'],
    [affinity([expression('pool', 'Future', 'x')]), undefined, 'an operator that is not known could select it'],
    [{ nodeSelector: { 'kubernetes.io/hostname': 'other' } }, true, 'the label counts, not the name'],
  ];
  for (const [spec, possible, what] of cases) t.equal(isPossibleOn(parsed(spec), one), possible, what);
  t.equal(isPossibleOn(parsed({ nodeSelector: { pool: 'web' } }), node('web-1', { labels: null })), undefined);
  t.equal(isPossibleOn(parsed({ nodeName: 'web-2' }), node('web-1', { labels: null })), false);
  t.end();
});

void t.test('every possible node counts, or one of them', (t) => {
  const web = { nodeSelector: { pool: 'web' } };
  t.equal(decide({}, {}, [CLEAN]), 'allow');
  t.equal(decide({}, {}, [CLEAN, FAILING]), 'enforce node-posture');
  t.equal(decide(web, {}, [CLEAN, FAILING]), 'allow', 'kept off the failing node');
  t.equal(decide({}, { possible: 'some' }, [CLEAN, FAILING]), 'warn node-posture', 'the scheduler may take either');
  t.equal(decide({}, { possible: 'some' }, [FAILING]), 'enforce node-posture');
  t.equal(decide({ nodeName: 'old-1' }, { possible: 'some' }, [CLEAN, FAILING]), 'enforce node-posture');
  t.equal(decide({}, { mode: 'warn' }, [FAILING]), 'warn node-posture');
  t.equal(decide({}, { except: ['old-1'] }, [CLEAN, FAILING]), 'allow');
  t.equal(decide({}, {}, [node('x-1', { failed: [0, 3, 0, 0] })]), 'allow', 'only the severity that is named');
  t.equal(decide({}, { severity: 'high' }, [node('x-1', { failed: [0, 3, 0, 0] })]), 'enforce node-posture');
  t.end();
});

void t.test('what is not known is never clean, and the policy says what it gets', (t) => {
  for (const [what, nodes, over] of [
    ['no snapshot of a collector in Kubernetes', undefined, {}],
    ['a node that stopped reporting', [CLEAN, SILENT], {}],
    ['a node without an agent', [CLEAN, node('new-1', { seenAt: 0 })], {}],
    ['a node where checks could not be answered', [CLEAN, BLIND], {}],
    ['a list of nodes that is too old', [CLEAN], { listedAt: NOW - 60 * MINUTE_MS }],
    ['more nodes than were read', [CLEAN], { isComplete: false }],
    ['no node at all', [], {}],
  ] as const) {
    t.equal(decide({}, {}, nodes, over), 'enforce node-posture-unknown', what);
    t.equal(decide({}, { unknown: 'warn' }, nodes, over), 'warn node-posture-unknown', what);
    t.equal(decide({}, { unknown: 'allow' }, nodes, over), 'allow', what);
  }
  t.equal(decide({}, { possible: 'some' }, [SILENT, CLEAN]), 'allow', 'one is known to be clean');
  t.equal(decide({}, { possible: 'some' }, [SILENT, FAILING]), 'enforce node-posture-unknown');
  t.equal(decide({ nodeName: 'web-1' }, {}, [CLEAN], { isComplete: false }), 'allow', 'the node that counts was read');
  t.equal(decide({ nodeName: 'nowhere' }, {}, [CLEAN]), 'enforce node-posture-unknown');
  t.end();
});

void t.test('attacks', (t) => {
  const nodes = [CLEAN, FAILING];
  // A node in the hands of somebody stops reporting, so that its failures age away.
  t.equal(
    decide({}, {}, [node('old-1', { failed: [1, 0, 0, 0], seenAt: NOW - 600 * MINUTE_MS })]),
    'enforce node-posture',
  );
  // A preference is not binding: the scheduler may take the failing node.
  const preferred = {
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: expression('pool', 'In', 'web') }],
      },
    },
  };
  t.equal(decide(preferred, {}, nodes), 'enforce node-posture');
  t.equal(decide({ ...preferred, tolerations: [{ operator: 'Exists' }] }, {}, nodes), 'enforce node-posture');
  // One term names the clean node, the other one lets the pod be moved.
  t.equal(
    decide(affinity([expression('pool', 'In', 'web'), expression('pool', 'Exists')]), {}, nodes),
    'enforce node-posture',
  );
  // Labels that were not read could select the failing node; they prove no clean one.
  const unread = (one: SnapshotNode): SnapshotNode => ({ ...one, labels: null });
  t.equal(decide({ nodeSelector: { pool: 'web' } }, {}, [CLEAN, unread(FAILING)]), 'enforce node-posture');
  t.equal(
    decide({ nodeSelector: { pool: 'web' } }, { possible: 'some' }, [unread(CLEAN)]),
    'enforce node-posture-unknown',
  );
  // A selector of another type than the API documents.
  t.equal(decide({ nodeSelector: { pool: ['web'] } }, {}, nodes), 'enforce pod-malformed');
  t.end();
});

void t.test('a policy with a condition survives the snapshot, and explain knows it', (t) => {
  const policy = podPolicy({
    nodes: { severity: 'high', possible: 'some', maxAge: '30m', unknown: 'warn', except: ['a'] },
  });
  const again = parsePodPolicy({ value: podPolicyDocument(policy), source: policy.source });
  t.strictSame(again, { ok: true, value: policy });
  t.match(
    parsePodPolicy({
      value: { ...podPolicyDocument(policy), spec: { nodes: { severity: 'high', maxAge: '1m' } } },
      source: 's',
    }),
    {
      ok: false,
      problem: /spec\.nodes\.maxAge: expected at least 3m/,
    },
  );
  const nodes = { listedAt: NOW, isComplete: true, nodes: [CLEAN, FAILING] };
  const critical = podPolicy({ nodes: { severity: 'critical' } });
  const snapshot = snapshotOf([], [], { podPolicies: [critical], nodes });
  t.same(plain(snapshot.nodes), plain(nodes));
  const explained = (spec: object) =>
    explainObject({ kind: 'Pod', name: 'p', namespace: 'prod-eu', object: podWith(spec) }, { snapshot, now: NOW });
  const rule = (spec: object) => explained(spec).rules.find(({ rule: place }) => place === 'spec.nodes');
  t.match(rule({}), { result: 'violation', reasons: [{ code: 'node-posture', actual: /old-1 \(1\)/ }] });
  t.match(rule({ nodeSelector: { pool: 'web' } }), {
    result: 'pass',
    meaning: /only nodes without an open failed check/,
  });
  t.end();
});

void t.test('nodes are the same after they were written and read', (t) => {
  const text = fc.string({ maxLength: 20 });
  const counts = fc.array(fc.nat(9), { minLength: 4, maxLength: 4 });
  const any = fc.record(
    {
      listedAt: fc.nat(),
      isComplete: fc.boolean(),
      nodes: fc.array(
        fc.record(
          {
            name: text,
            labels: fc.option(fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }), { nil: null }),
            seenAt: fc.nat(),
            failed: counts,
            unknown: counts,
          },
          { noNullPrototype: true },
        ),
        { maxLength: 8 },
      ),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(any, (nodes) => {
      const written = writtenNodes.parse(JSON.parse(JSON.stringify(writeNodes(nodes))));
      if (!written.ok) throw new Error(written.problem);
      return isDeepStrictEqual(plain(readNodes(written.value)), plain(nodes));
    }),
    { seed: 5, numRuns: 200 },
  );
  t.end();
});

void t.test('ten thousand nodes are judged within the deadline of admission', (t) => {
  const many = Array.from({ length: 10_000 }, (_, index) => node(`web-${String(index)}`));
  const startMs = process.cpuUsage().user;
  for (let times = 0; times < 10; times += 1) decide({ nodeSelector: { pool: 'web' } }, {}, many);
  const eachMs = (process.cpuUsage().user - startMs) / 10_000;
  t.ok(eachMs < 20, `${eachMs.toFixed(1)} ms of CPU for each`);
  const written = JSON.stringify(writeNodes({ listedAt: NOW, isComplete: true, nodes: many }));
  t.ok(written.length < 2_000_000, `${String(written.length)} bytes`);
  t.end();
});
