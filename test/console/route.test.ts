import fc from 'fast-check';
import t from 'tap';
import { matches, NO_FILTER, readFilter, toggled, writeFilter } from '../../console/filter.ts';
import type { FindingFilter } from '../../console/filter.ts';
import {
  checkHash,
  checksHash,
  findingHash,
  containerHash,
  findingsHash,
  imageHash,
  nodeHash,
  overviewHash,
  queryHash,
  readRoute,
  readSignInCode,
} from '../../console/route.ts';
import { TREND_RANGES, zoomRange } from '../../console/fleet/trend.ts';
import { FINDING_STATES } from '../../api/finding.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import { shown } from './finding.ts';

const DAY = { id: '24h', label: '24 h', durationMs: 86_400_000 };
const NO_QUERY = { expression: '', nodes: [], deadlineMs: undefined, isRun: false };

void t.test('each view has its hash', async (t) => {
  const cases: readonly (readonly [string, object])[] = [
    ['', { view: 'overview', range: DAY }],
    ['#/', { view: 'overview', range: DAY }],
    ['#/?range=odd&from=9&to=10', { view: 'overview', range: DAY }],
    ['#/nodes/e08d', { view: 'node', nodeId: 'e08d' }],
    ['#/nodes/', { view: 'overview', range: DAY }],
    ['#/checks', { view: 'checks', filter: { text: '', severities: [] } }],
    [
      '#/checks?severity=high&severity=odd&text=5.5+tls',
      { view: 'checks', filter: { text: '5.5 tls', severities: ['high'] } },
    ],
    ['#/checks/ssh.root-login', { view: 'check', checkId: 'ssh.root-login' }],
    ['#/nodes/e08d/containers/0a1b', { view: 'container', nodeId: 'e08d', containerId: '0a1b' }],
    ['#/nodes/e08d/containers', { view: 'node', nodeId: 'e08d/containers' }],
    ['#/images/sha256%3Aab', { view: 'image', imageId: 'sha256:ab' }],
    ['#/images/', { view: 'images' }],
    ['#/fixes', { view: 'fixes' }],
    ['#/vulnerabilities/CVE-2026-1', { view: 'vulnerability', vulnerabilityId: 'CVE-2026-1' }],
    [
      '#/vulnerabilities?severity=unknown&severity=odd&fixable=true&exploited=yes&text=a%26b',
      {
        view: 'vulnerabilities',
        filter: { text: 'a&b', severities: ['unknown'], exploited: false, fixable: true },
      },
    ],
    ['#/benchmarks', { view: 'benchmarks' }],
    ['#/benchmarks/cis-docker-1.8.0', { view: 'benchmark', benchmarkId: 'cis-docker-1.8.0', nodeId: '' }],
    ['#/benchmarks/b?node=n%201', { view: 'benchmark', benchmarkId: 'b', nodeId: 'n 1' }],
    [
      '#/denials?outcome=overridden&outcome=odd&program=authz&namespace=shop&since=24h',
      {
        view: 'denials',
        filter: { outcomes: ['overridden'], programs: ['authz'], namespace: 'shop', since: '24h' },
      },
    ],
    ['#/policies?namespace=prod-eu', { view: 'policies', namespace: 'prod-eu' }],
    ['#/exemptions', { view: 'exemptions' }],
    ['#/waivers', { view: 'waivers' }],
    ['#/denials/a%2Fb', { view: 'denial', denialId: 'a/b' }],
    ['#/rollouts', { view: 'rollouts', withNothing: false }],
    ['#/rollouts?all=true', { view: 'rollouts', withNothing: true }],
    ['#/rollouts/3f2a', { view: 'rollout', rolloutId: '3f2a' }],
    ['#/detections', { view: 'detections', filter: { rule: '', nodeId: '', since: '' } }],
    [
      '#/detections?rule=ssh-key-added&node=n%201&since=24h',
      { view: 'detections', filter: { rule: 'ssh-key-added', nodeId: 'n 1', since: '24h' } },
    ],
    ['#/detections?rule=odd&since=1y', { view: 'detections', filter: { rule: '', nodeId: '', since: '' } }],
    ['#/detections/5f-1k-m', { view: 'detection', detectionId: '5f-1k-m' }],
    ['#/sinks', { view: 'sinks' }],
    ['#/dead-letters?sink=splunk', { view: 'deadLetters', sink: 'splunk' }],
    ['#/dead-letters/17', { view: 'deadLetter', deadLetterId: '17' }],
    ['#/history?node=n1', { view: 'history', nodeId: 'n1' }],
    ['#/query', { view: 'query', query: NO_QUERY }],
    ['#/query?expression=1%20%2B%201', { view: 'query', query: { ...NO_QUERY, expression: '1 + 1' } }],
    [
      '#/query?expression=x&node=a&node=b&node=a&deadlineMs=2000&run=1',
      { view: 'query', query: { expression: 'x', nodes: ['a', 'b'], deadlineMs: 2000, isRun: true } },
    ],
    ['#/query?deadlineMs=9999999999&run=yes', { view: 'query', query: NO_QUERY }],
    ['#/findings?group=image', { view: 'findings', filter: NO_FILTER, group: 'image', open: undefined }],
    ['#/findings?group=odd', { view: 'findings', filter: NO_FILTER, group: undefined, open: undefined }],
    ['#/elsewhere', { view: 'unknown', path: '/elsewhere' }],
    ['#/checks/%E0%A4%A', { view: 'check', checkId: '%E0%A4%A' }],
    ['#/findings', { view: 'findings', filter: NO_FILTER, group: undefined, open: undefined }],
    [
      '#/findings/u1',
      { view: 'findings', filter: NO_FILTER, group: undefined, open: { uid: 'u1', identity: undefined } },
    ],
  ];
  for (const [hash, route] of cases) t.strictSame(readRoute(hash), route, hash);
});

void t.test('the range of the plot is in the hash', async (t) => {
  for (const range of [...TREND_RANGES, zoomRange(1_700_000_000_000, 1_700_000_300_000)]) {
    const route = readRoute(overviewHash(range));
    t.strictSame(route.view === 'overview' && route.range, range, overviewHash(range));
  }
  t.equal(zoomRange(1_700_000_000_000, 1_700_000_000_500).durationMs, 120_000, 'no shorter than two minutes');
});

void t.test('filters are in the hash, as a person would write them', async (t) => {
  const route = readRoute('#/findings?severity=high&severity=critical&verdict=fail&node=web-1&text=a%26b&severity=odd');
  t.strictSame(route.view === 'findings' && route.filter, {
    severities: ['critical', 'high'],
    verdicts: ['fail'],
    state: '',
    waivers: [],
    checks: [],
    nodes: ['web-1'],
    kinds: [],
    subject: '',
    text: 'a&b',
  });
  t.equal(findingsHash({ severities: ['high'], text: 'a b' }), '#/findings?severity=high&text=a+b');
  t.equal(findingsHash(), '#/findings');
  t.strictSame(toggled(['a', 'b'], 'a'), ['b']);
  t.strictSame(toggled(['a'], 'b'), ['a', 'b']);
});

void t.test('what is written is read back, whatever it holds', async (t) => {
  const words = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 40, unit: 'binary' }), { maxLength: 4 });
  const filters: fc.Arbitrary<FindingFilter> = fc.record(
    {
      severities: fc.subarray([...SEVERITIES]),
      verdicts: fc.subarray([...VERDICTS]),
      state: fc.constantFrom('' as const, ...FINDING_STATES),
      waivers: words,
      checks: words,
      nodes: words,
      kinds: fc.subarray([...SUBJECT_KINDS]),
      subject: fc.string({ maxLength: 40, unit: 'binary' }),
      text: fc.string({ maxLength: 40, unit: 'binary' }).filter((text) => text.trim() !== '' || text === ''),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(filters, (filter) => {
      t.strictSame(readFilter(new URLSearchParams(writeFilter(filter))), filter);
    }),
  );
  const text = fc.string({ minLength: 1, maxLength: 60, unit: 'binary' });
  const segment = fc.stringMatching(/^[a-z][a-z.-]{0,20}$/);
  fc.assert(
    fc.property(text, text, segment, text, filters, (uid, nodeId, check, subjectId, filter) => {
      const hash = findingHash({ uid, nodeId, id: `${check}/container/${subjectId}` }, filter);
      t.strictSame(readRoute(hash), {
        view: 'findings',
        filter,
        group: undefined,
        open: { uid, identity: { nodeId, check, subjectKind: 'container', subjectId } },
      });
      t.strictSame(readRoute(nodeHash(nodeId)), { view: 'node', nodeId });
      t.strictSame(readRoute(checkHash(check)), { view: 'check', checkId: check });
      const { text, severities } = filter;
      t.strictSame(readRoute(checksHash({ text, severities })), { view: 'checks', filter: { text, severities } });
      t.strictSame(readRoute(containerHash(nodeId, subjectId)), {
        view: 'container',
        nodeId,
        containerId: subjectId,
      });
      t.strictSame(readRoute(imageHash(uid)), { view: 'image', imageId: uid });
      const query = { expression: subjectId, nodes: [nodeId], deadlineMs: 1000, isRun: true };
      t.strictSame(readRoute(queryHash(query)), { view: 'query', query });
    }),
    { numRuns: 40 },
  );
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (hash) => void readRoute(hash)));
});

void t.test('a filter matches what the API would list', async (t) => {
  const finding = shown({ check: 'ssh.root-login', nodeId: 'n1', nodeName: 'web-1', severity: 'high' });
  const cases: readonly (readonly [Partial<FindingFilter>, boolean])[] = [
    [{}, true],
    [{ severities: ['high', 'low'] }, true],
    [{ severities: ['low'] }, false],
    [{ verdicts: ['pass'] }, false],
    [{ checks: ['ssh.root-login'], nodes: ['web-1'] }, true],
    [{ nodes: ['n1'] }, true],
    [{ nodes: ['web-2'] }, false],
    [{ text: 'PERMITROOTLOGIN' }, true],
    [{ text: 'sshd permitrootlogin' }, true],
    [{ text: 'sshd elsewhere' }, false],
    [{ text: 'elsewhere' }, false],
    [{ kinds: ['daemon'], subject: 'sshd' }, true],
    [{ kinds: ['container'] }, false],
    [{ subject: 'ssh' }, false],
    [{ state: 'open' }, true],
    [{ state: 'waived' }, false],
  ];
  for (const [filter, expected] of cases)
    t.equal(matches({ ...NO_FILTER, ...filter }, finding), expected, JSON.stringify(filter));
});

void t.test('only a hash that is nothing but a code signs in', async (t) => {
  t.equal(readSignInCode('#code=Ab_-9'), 'Ab_-9');
  for (const hash of ['', '#/', '#code=', '#code=a&b', '#/code=abc', '#code=<b>'])
    t.equal(readSignInCode(hash), undefined);
});
