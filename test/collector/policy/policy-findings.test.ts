import { renameSync, writeFileSync } from 'node:fs';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { keepImageFindings } from '../../../collector/policy/image-findings.ts';
import { createPolicyJudgement } from '../../../collector/policy/policy-findings.ts';
import type { PolicyJudgementSources } from '../../../collector/policy/policy-findings.ts';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import type { NodeContainer } from '../../../collector/store/store.ts';
import { parsePolicy } from '../../../policy/image-policy.ts';
import type { ImagePolicy } from '../../../policy/image-policy.ts';
import { systemClock } from '../../../service/clock.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { nodeRow } from '../store/fleet.ts';
import { advisory, inventory, quiet, ROOT, SHOP, startFleet, TWO, until, WEB } from './policy-fleet.ts';

const CHECKS = ['image.vulnerabilities', 'image.packages', 'image.signature'];
const PEM =
  '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPjTPR0YPD71VmL3jCGPmJNJt1kSd\nOFdFaIGoTeKNhZNmGFmUsvGi0oTtzAm1hAyf8V4qSFA2Z7PNFCV1VAkmvg==\n-----END PUBLIC KEY-----\n';
const FIXABLE = { type: 'vulnerability', fixAvailable: true };
const NO_ZLIB = { type: 'package', forbid: [{ name: 'zlib', version: '<1.3' }] };
const SIGNED = { type: 'signature', authorities: [{ name: 'release', key: { pem: PEM } }] };

const document = (rules: readonly object[], spec: object = {}, name = 'all'): object => {
  const base = { apiVersion: 'plimsoll.dev/v1', kind: 'ImagePolicy', metadata: { name } };
  return { ...base, spec: { ...spec, rules } };
};

function policyOf(rules: readonly object[], spec: object = {}, name = 'all'): ImagePolicy {
  const parsed = parsePolicy({ value: document(rules, spec, name), source: 'test' });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** Keeps the findings of a fleet; `end` ends that as a restart of the collector does, the store goes on. */
function keep(t: Test, { service, running, store, eventBus }: Fleet, sources: Partial<PolicyJudgementSources> = {}) {
  const stop = new AbortController();
  const clock = createFakeClock();
  // Verdicts hold until a time of the system clock.
  const judging = { ...clock, now: () => Date.now() };
  const kept = keepImageFindings({
    judgements: [createPolicyJudgement({ ...service.findingSources, clock: judging, ...sources })],
    nodesOf: (imageId) => running.containersOf(imageId).map(({ nodeId }) => nodeId),
    store,
    eventBus,
    clock,
    log: quiet,
    signal: stop.signal,
  });
  const end = async (): Promise<void> => {
    stop.abort();
    await kept;
  };
  t.teardown(end);
  const findings = async (ms = 5000) => {
    while (clock.waiting() === 0) await setImmediate();
    await clock.advance(ms);
    while (clock.waiting() === 0) await setImmediate();
    return (await store.findings({ checks: CHECKS, limit: 1000 })).findings;
  };
  const said = async (): Promise<readonly string[]> =>
    (await findings())
      .map(({ nodeId, check, subject, verdict }) => `${nodeId} ${check.slice(6)} ${subject.name} ${verdict}`)
      .sort();
  return {
    end,
    findings,
    becomes: async (expected: readonly string[], message: string): Promise<void> => {
      service.notify();
      for (let left = 400; left > 0 && JSON.stringify(await said()) !== JSON.stringify(expected); left -= 1) {
        await delay(25);
        service.notify();
      }
      t.strictSame(await said(), expected, message);
    },
  };
}

const eventsOf = async ({ store }: Fleet): Promise<readonly string[]> =>
  (await store.outbox(0, 1000))
    .filter(isFindingEvent)
    .map(({ action, finding }) => `${action} ${finding.nodeId} ${finding.subject.name} ${finding.verdict}`);

await t.test('what image policies refuse is a finding of each node that runs the image', async (t) => {
  const fleet = await startFleet(t, JSON.stringify(document([FIXABLE], { mode: 'observe' })));
  const put = (...parameters: Parameters<typeof document>): void => {
    writeFileSync(`${fleet.policyFile}.new`, JSON.stringify(document(...parameters)));
    renameSync(`${fleet.policyFile}.new`, fleet.policyFile);
  };
  const [vulnerable, clean] = [inventory(['openssl', '3.0.1']), inventory(['zlib', '1.2'])];
  await fleet.add('n1', { [SHOP]: vulnerable, [WEB]: clean, [ROOT]: clean });
  let kept = keep(t, fleet);
  const name = 'registry.example.com/two:1';
  const first = [
    `n1 vulnerabilities ${name} unknown`,
    'n1 vulnerabilities root:1 pass',
    'n1 vulnerabilities shop:1 fail',
    'n1 vulnerabilities web:1 pass',
    'n2 vulnerabilities shop:1 fail',
  ];
  await kept.becomes(first, 'also in mode observe; only the rules that there are');
  const failed = (await kept.findings()).find(({ verdict }) => verdict === 'fail');
  t.match(failed, {
    severity: 'high',
    reason: /^image policy all refuses it: CVE-2026-1001 .* in openssl 3\.0\.1$/,
    evidence: [{ source: 'image policy all, spec.rules[0]', seen: /CVE-2026-1001/, expected: /a fix available/ }],
  });

  const { position = 0 } = (await fleet.store.outbox(0, 1000)).at(-1) ?? {};
  const stored = await kept.findings();
  const builtAt = (): unknown => fleet.service.verdictsOf(SHOP)[0]?.databaseBuiltAt;
  const before = builtAt();
  const notified = new Set<string>();
  t.teardown(fleet.service.findingSources.subscribeToVerdicts((imageId) => notified.add(imageId)));
  await fleet.rebuild([advisory('CVE-2026-1001', 'openssl', '3.0.2')]);
  await until(t, () => builtAt() !== before);
  t.strictSame([...notified], [], 'no image is looked at whose verdict says the same');
  await kept.findings(11 * 60_000);
  t.strictSame(await kept.findings(), stored, 'nothing is written where a new database and a sweep say the same');
  t.equal((await fleet.store.outbox(position, 10)).length, 0);

  // A fault resolves nothing: policies that are wrong, and a collector that starts without one of its parts.
  writeFileSync(`${fleet.policyFile}.new`, 'kind: Nothing');
  renameSync(`${fleet.policyFile}.new`, fleet.policyFile);
  await kept.becomes(first, 'the policies that were loaded before stay in use');
  await kept.end();
  const starting = keep(t, fleet, { judgedBy: () => undefined, verdictsOf: () => [] });
  await starting.becomes(first, 'nothing is judged yet after a start');
  await starting.findings(11 * 60_000);
  const failures = first.filter((line) => line.includes('shop'));
  const unknowns = first.map((line) => (line.includes('shop') ? line : line.replace('pass', 'unknown')));
  await starting.becomes(unknowns, 'it takes long: a pass is not known any more, a failure stays');
  await starting.end();
  const unloaded = keep(t, fleet, { judgedBy: () => undefined, loaded: () => undefined });
  await unloaded.becomes(
    [
      ...unknowns,
      ...['packages', 'signature'].flatMap((check) =>
        unknowns.map((line) => line.replace('vulnerabilities', check).replace('fail', 'unknown')),
      ),
    ].sort(),
    'policies that never were loaded: what failed fails, of the rest nothing is known',
  );
  await unloaded.end();

  put([FIXABLE, NO_ZLIB, SIGNED], { mode: 'warn' });
  kept = keep(t, fleet);
  const images = ['registry.example.com/two:1', 'root:1', 'shop:1', 'web:1'];
  await kept.becomes(
    [
      ...first,
      ...['unknown', 'fail', 'pass', 'fail'].map((verdict, index) => `n1 packages ${images[index] ?? ''} ${verdict}`),
      'n2 packages shop:1 pass',
      ...images.map((image) => `n1 signature ${image} unknown`),
      'n2 signature shop:1 unknown',
    ].sort(),
    'each check by the rules of its own type',
  );
  t.strictSame([...notified].sort(), [SHOP, WEB, TWO, ROOT].sort(), 'another policy concerns every image');

  // Contradicting nodes, as with a stolen certificate: the image is unknown now, and what failed stays.
  await fleet.add('n2', { [SHOP]: clean });
  put([FIXABLE]);
  await kept.becomes(first, 'a node cannot end the failure of others');
  await kept.findings();
  await fleet.store.putNodes([nodeRow({ id: 'n2', name: 'n2', containers: [] })]);
  fleet.eventBus.publish({ type: 'node', node: nodeRow({ id: 'n2', name: 'n2', containers: [] }) });
  await kept.becomes(
    first.filter((line) => line.startsWith('n1')),
    'n2 does not run it any more',
  );
  t.equal((await eventsOf(fleet)).at(-1), 'resolved n2 shop:1 fail');
  t.equal(failures.length, 2);
  put([FIXABLE], { match: { images: ['registry.example.com/**'] } });
  await kept.becomes([`n1 vulnerabilities ${name} unknown`], 'the policy is for other images');
  put([{ type: 'scan', maxAge: '1d' }]);
  await kept.becomes([], 'no policy has such a rule any more');
  t.ok((await eventsOf(fleet)).includes('resolved n1 shop:1 fail'));
});

await t.test('which rules count under which reference', async (t) => {
  const digest = `sha256:${'9'.repeat(64)}`;
  const [release, copy] = ['registry.example.com/shop/db', 'registry.example.com/copy/db'];
  const verdict = (policy: ImagePolicy, change: object = {}) => {
    const omitted = { enforce: 0, warn: 0, observe: 0 };
    const none = { reasons: [], omitted, suppressed: [], omittedSuppressed: 0, validUntil: {} };
    return { policy: policy.name, repository: null, ...none, ...change };
  };
  const reason = (policy: ImagePolicy, index: number, change: object = {}) => {
    const texts = { severity: 'high', about: '', actual: 'found', expected: 'wanted', action: '' } as const;
    const rule = `spec.rules[${String(index)}]`;
    return { policy: policy.name, rule, code: 'signature-missing', kind: 'violation', ...texts, ...change } as const;
  };
  const judged = (
    policies: readonly ImagePolicy[],
    verdicts: readonly ReturnType<typeof verdict>[],
    references: readonly (string | Pick<NodeContainer, 'image' | 'namespace'>)[],
  ): readonly string[] => {
    const image = { digests: [SHOP, digest], judgedAt: 1, scannedAt: 1, databaseBuiltAt: 1, verdicts };
    const judgement = createPolicyJudgement({
      judgedBy: () => policies,
      loaded: () => policies,
      verdictsOf: () => [image],
      subscribeToVerdicts: () => () => undefined,
      registries: { factsOf: () => ({ configuration: { state: 'absent', source: '' }, manifests: [], revision: '' }) },
      clock: systemClock(),
    });
    const containers = references.map((one, index) => {
      const id = String(index);
      return { id, name: id, imageId: SHOP, startedAt: '', ...(typeof one === 'string' ? { image: one } : one) };
    });
    const findings = judgement.judge(SHOP, containers, new Map());
    t.strictSame(judgement.judge(SHOP, containers.toReversed(), new Map()), findings, 'the order does not matter');
    return findings.map(({ check, verdict: word }) => `${check.slice(6)} ${word}`);
  };
  const all = policyOf([SIGNED]);
  const unsigned = verdict(all, { reasons: [reason(all, 0)] });
  const own = [unsigned, verdict(all, { repository: release })];
  t.strictSame(judged([all], own, [`${release}:1`]), ['signature pass']);
  t.strictSame(judged([all], own, [`${release}@${digest}`]), ['signature pass']);
  t.strictSame(judged([all], own, [`${copy}:1`]), ['signature fail'], 'a signature in another repository');
  t.strictSame(judged([all], own, [`${release}:1`, `${copy}:1`]), ['signature fail'], 'both on one node');
  t.strictSame(judged([all], own, [SHOP]), ['signature fail'], 'started by its id: no repository');
  t.strictSame(judged([all], own, [`${release}@sha256:${'8'.repeat(64)}`]), ['signature pass'], 'what runs is judged');
  const hostile = [' ', '\u202Egpj', 'x'.repeat(100_000), '../../etc', 'a:b:c', '__proto__', '{"image":"x"}'];
  t.strictSame(judged([all], own, hostile), ['signature fail'], 'hostile names have no verdict of another repository');
  const names = Array.from({ length: 40 }, (_, index) => `${release}:a${String(index)}`);
  t.strictSame(judged([all], own, names), ['signature unknown'], 'too many references to judge all');

  const shop = policyOf([SIGNED], { match: { images: [release] } }, 'shop');
  const prod = policyOf([FIXABLE], { match: { images: ['**'], namespaces: ['prod-*'] } }, 'prod');
  const verdicts = [verdict(shop), verdict(prod, { reasons: [reason(prod, 0, { code: 'vulnerability' })] })];
  t.strictSame(judged([shop, prod], verdicts, [`${release}:1`]), ['signature pass'], 'the policy that decides');
  t.strictSame(judged([shop, prod], verdicts, [`${copy}:1`]), [], 'no policy decides on it');
  const inProd = { image: `${copy}:1`, namespace: 'prod-eu' };
  t.strictSame(judged([shop, prod], verdicts, [inProd]), ['vulnerabilities fail'], 'in its namespace');
  t.strictSame(judged([shop], [verdict(shop)], [SHOP]), ['signature unknown'], 'its policy is not known');
  t.strictSame(judged([shop], [], [`${release}:1`]), ['signature unknown'], 'a policy without a verdict');

  const expired = verdict(all, { validUntil: { 'spec.rules[0]': 1 } });
  t.strictSame(judged([all], [expired], ['a:1']), ['signature unknown'], 'the verdict has expired');
  const scans = policyOf([FIXABLE, { type: 'scan', maxAge: '1d' }]);
  const old = { code: 'scan-too-old', actual: 'scanned 3 days ago' };
  t.strictSame(judged([scans], [verdict(scans, { reasons: [reason(scans, 1, old)] })], ['a:1']), [
    'vulnerabilities fail',
  ]);

  // A verdict keeps ten reasons of a mode: the rule about signatures is the eleventh that refuses the image.
  const many = policyOf([...Array.from({ length: 10 }, () => FIXABLE), SIGNED]);
  const reasons = Array.from({ length: 10 }, (_, index) => reason(many, index, { code: 'vulnerability' }));
  const cut = verdict(many, { reasons, omitted: { enforce: 1, warn: 0, observe: 0 } });
  t.strictSame(
    judged([many], [cut], ['a:1']),
    ['vulnerabilities fail', 'signature unknown'],
    'a reason that is left out',
  );
  t.strictSame(judged([many], [verdict(many, { reasons })], ['a:1']), ['vulnerabilities fail', 'signature pass']);
  t.strictSame(createPolicyJudgement(undefined).judge(TWO, [], new Map()), [], 'a collector without policies');
});
