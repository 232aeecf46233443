import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { accountsOf, completeEvidence, lacksScan } from '../../../collector/policy/image-evidence.ts';
import { judgeFleetImage } from '../../../collector/policy/image-verdicts.ts';
import { listKnownImages } from '../../../collector/policy/known-images.ts';
import { createPolicyJudgement } from '../../../collector/policy/policy-findings.ts';
import { NO_REGISTRIES } from '../../../collector/policy/registry-facts.ts';
import type { StoredClaim } from '../../../collector/store/image-store.ts';
import { openVulnerabilityDatabase } from '../../../image/vulndb/database.ts';
import { decideFromSnapshot } from '../../../policy/decide-from-snapshot.ts';
import { parsePolicy } from '../../../policy/image-policy.ts';
import type { ImagePolicy } from '../../../policy/image-policy.ts';
import { indexImages } from '../../../policy/snapshot.ts';
import type { Finding } from '../../../posture/finding.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Distribution, Inventory, Package, SetuidFile } from '../../../vulnerability/package.ts';
import { advisory, build, DAY_MS } from './policy-fleet.ts';

/*
 * Claims of three nodes about one image, of which one lies. What the honest ones lead to without the liar is the
 * expectation: with it, nothing that failed may pass or vanish, and nothing that was refused may run.
 */

const CASES = 5000;
const AT_ONCE = 50;
const SEED = 20_261_201;
const IMAGE = `sha256:${'a'.repeat(64)}`;
const DEBIAN: Distribution = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };
const DISTRIBUTIONS: readonly (Distribution | undefined)[] = [
  DEBIAN,
  { ...DEBIAN, versionId: '8', codename: 'jessie' },
  { ...DEBIAN, like: ['alpine'] },
  { id: 'alpine', versionId: '3.22.1', like: [] },
  { id: 'acme', like: ['debian'] },
  undefined,
];

/** mulberry32 */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Dice {
  readonly chance: (probability: number) => boolean;
  readonly one: <T>(items: readonly T[]) => T;
  readonly some: <T>(items: readonly T[], probability: number) => readonly T[];
}

function diceOf(random: () => number): Dice {
  return {
    chance: (probability) => random() < probability,
    one: (items) => items[Math.floor(random() * items.length)] as (typeof items)[number],
    some: (items, probability) => items.filter(() => random() < probability),
  };
}

const UNIVERSE: readonly Package[] = [
  ...['openssl', 'zlib', 'bash', 'curl', 'evil-tool'].flatMap((name) =>
    ['1.0', '2.0', '3.0.1', '1:0.9'].map((version): Package => {
      return { type: 'deb', name, version, architecture: 'amd64', path: '/var/lib/dpkg/status' };
    }),
  ),
  ...['left-pad', 'evil-lib'].flatMap((name) =>
    ['/app', '/opt'].map((place): Package => {
      return { type: 'npm', name, version: '1.0.0', path: `${place}/node_modules/${name}/package.json` };
    }),
  ),
];
const SETUID: readonly SetuidFile[] = [
  { path: '/usr/bin/su', mode: 0o4755 },
  { path: '/usr/bin/evil', mode: 0o4755 },
];
const GAP = { path: '/var/lib/rpm', reason: 'damaged' };

const RULES: readonly object[] = [
  { type: 'package', forbid: [{ name: 'evil*' }] },
  { type: 'package', forbid: [{ name: 'zlib', version: '<2.0' }] },
  { type: 'vulnerability', ids: ['CVE-2026-1', 'CVE-2026-2'] },
  { type: 'vulnerability', fixAvailable: true },
  { type: 'distribution' },
  { type: 'configuration', allowSetuid: ['/usr/bin/su'] },
];

function randomPolicy({ chance, one, some }: Dice): ImagePolicy {
  const rules = some(RULES, 0.5);
  const accept = {
    ...(chance(0.2) && { gaps: [one(['/', '*', '/var/**'])] }),
    ...(chance(0.2) && { unjudged: ['third-party', 'unsupported-distribution', 'no-data'] }),
  };
  const spec = {
    rules: rules.length === 0 ? [RULES[0]] : rules,
    accept,
    unscannedImages: one(['deny', 'scan', 'allow']),
  };
  const value = { apiVersion: 'plimsoll.dev/v1', kind: 'ImagePolicy', metadata: { name: 'all' }, spec };
  const parsed = parsePolicy({ value, source: 'test' });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

function randomInventory({ chance, one, some }: Dice): Inventory {
  const distribution = chance(0.7) ? DEBIAN : one(DISTRIBUTIONS);
  return {
    ...(distribution !== undefined && { distribution }),
    packages: some(UNIVERSE, one([0, 0.1, 0.3])),
    gaps: chance(0.15) ? [GAP] : [],
    ...(chance(0.8) && { setuid: { files: some(SETUID, 0.4), gaps: [] } }),
  };
}

/** What a container shows that has installed, upgraded and removed packages. */
function changed(inventory: Inventory, { chance, some }: Dice): Inventory {
  const kept = inventory.packages.filter(() => !chance(0.2));
  return { ...inventory, packages: [...kept, ...some(UNIVERSE, 0.05)] };
}

type Lie = (truth: Inventory, seen: readonly Inventory[], dice: Dice) => Inventory;

const LIES: readonly Lie[] = [
  // The review's: the same without what is forbidden.
  (truth) => ({ ...truth, packages: truth.packages.filter(({ name }) => !name.startsWith('evil')), gaps: [] }),
  // What another node has shown, shorter, with other versions, or as it is.
  (_truth, seen, { one, some }) => {
    const copied = one(seen);
    return { ...copied, packages: some(copied.packages, 0.6), gaps: [] };
  },
  (_truth, seen, { one }) => {
    const copied = one(seen);
    return {
      ...copied,
      packages: copied.packages.map((found) => Object.assign({}, found, { version: '9:99' })),
      gaps: [],
    };
  },
  (_truth, seen, { one }) => one(seen),
  // Advisories of another release or nobody count.
  (truth, _seen, { one }) => {
    const { distribution: _distribution, ...rest } = truth;
    const other = one(DISTRIBUTIONS);
    return other === undefined ? rest : { ...rest, distribution: other };
  },
  (truth, _seen, { one }) => {
    const more = one<Partial<Package>>([
      { vendor: 'Acme' },
      { source: { name: 'harmless', version: '1' } },
      { architecture: 's390x' },
      { modularity: 'a:b:c' },
      { path: '/other' },
    ]);
    return { ...truth, packages: truth.packages.map((found) => Object.assign({}, found, more)) };
  },
  // Nothing at all, everything, gaps everywhere, no setuid files.
  () => ({ packages: [], gaps: [] }),
  (truth) => ({ ...truth, packages: UNIVERSE }),
  (truth) => ({ ...truth, gaps: [{ path: '/', reason: 'everything' }] }),
  (truth) => ({ ...truth, setuid: { files: [], gaps: [] } }),
  (_truth, _seen, dice) => randomInventory(dice),
];

interface Told {
  readonly inventory?: Inventory;
  readonly source: 'layers' | 'container';
  readonly problem?: string;
  readonly isStored?: boolean;
}

const contents = new Map<string, Uint8Array>();
const encoded = new Map<string, ReturnType<typeof encodeInventory>>();

function encode(inventory: Inventory): ReturnType<typeof encodeInventory> {
  const key = JSON.stringify(inventory);
  const known = encoded.get(key) ?? encodeInventory(inventory);
  encoded.set(key, known);
  return known;
}

async function claimOf(nodeId: string, told: Told, changedMs: number): Promise<StoredClaim> {
  const { inventory, source, problem = '', isStored = true } = told;
  const base = { imageId: IMAGE, source, problem, nodeId, nodeName: nodeId, inUse: true, changedMs };
  if (inventory === undefined) return { ...base, isStored: false };
  const { digest, bytes } = await encode(inventory);
  contents.set(digest, bytes);
  return { ...base, digest, isStored };
}

function honest(truth: Inventory, dice: Dice): Told {
  if (dice.chance(0.15)) return { source: 'container', problem: 'the image is not readable' };
  if (dice.chance(0.4)) return { source: 'layers', inventory: truth };
  return { source: 'container', inventory: dice.chance(0.5) ? truth : changed(truth, dice) };
}

function lie(truth: Inventory, seen: readonly Inventory[], dice: Dice): Told {
  const source = dice.chance(0.7) ? 'layers' : 'container';
  if (dice.chance(0.05)) return { source, problem: 'a lie' };
  const inventory = dice.one(LIES)(truth, seen.length === 0 ? [truth] : seen, dice);
  return { source, inventory, isStored: !dice.chance(0.03) };
}

const directory = mkdtempSync(join(tmpdir(), 'plimsoll-claims-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'vulndb.sqlite');
await build(
  file,
  [advisory('CVE-2026-1', 'openssl', '3.0.2'), advisory('CVE-2026-2', 'curl', '1.5')],
  Date.now() - DAY_MS,
);
const opened = openVulnerabilityDatabase(file);
if (!opened.ok) throw new Error(opened.problem);
const { database } = opened;
t.teardown(() => database.close());

/** The verdicts of the collector on the image, from what nodes claim. */
async function judge(policy: ImagePolicy, claims: readonly StoredClaim[]) {
  const now = Date.now();
  const images = {
    inventoryContent: (digest: string) => Promise.resolve(contents.get(digest)),
    scanContent: () => Promise.resolve(undefined),
  };
  const byImage = Map.groupBy(claims, ({ imageId }) => imageId);
  const [image] = listKnownImages({
    ids: [IMAGE],
    claims: byImage,
    registries: NO_REGISTRIES,
    scanned: [],
    stored: [],
  });
  if (image === undefined) throw new Error('no image');
  const found = await accountsOf(image, images);
  const context = { configuration: image.configuration, database, maxAgeMs: 5 * DAY_MS, now };
  const accounts = found.map(({ listed, ...one }) => ({ ...one, evidence: completeEvidence(listed, context) }));
  const indexed = [{ policy, annotationsAbout: () => ({ statements: [], waivers: [] }) }];
  const { manifests } = image;
  const isUnscanned = lacksScan(image, found);
  return judgeFleetImage(indexed, { manifests, accounts, isUnscanned, databaseValidUntil: undefined, now });
}

type Verdicts = Awaited<ReturnType<typeof judge>>;

const REFERENCE = 'registry.example.com/shop/db:1';

function findingsOf(policy: ImagePolicy, verdicts: Verdicts, before: readonly Finding[] = []): readonly Finding[] {
  const judgement = createPolicyJudgement({
    judgedBy: () => [policy],
    loaded: () => [policy],
    verdictsOf: () => verdicts,
    subscribeToVerdicts: () => () => undefined,
    registries: NO_REGISTRIES,
    clock: { ...systemClock(), monotonic: () => 1e9 },
  });
  const stored = before.map((finding) => {
    return { ...finding, uid: '', nodeId: 'n', nodeName: 'n', firstSeenMs: 1, changedMs: 1 };
  });
  const container = { id: 'c', name: 'c', image: REFERENCE, imageId: IMAGE, startedAt: '' };
  return judgement.judge(IMAGE, [container], new Map(stored.map((finding) => [finding.check, finding])));
}

function decide(policy: ImagePolicy, verdicts: Verdicts) {
  const now = Date.now();
  const snapshot = { policies: [policy], issuedAt: now, byDigest: indexImages(verdicts) };
  return decideFromSnapshot({ reference: REFERENCE, digest: IMAGE, namespace: undefined }, snapshot, now);
}

/** What nodes claim in one case, and the policy that judges it. */
function randomCase(dice: Dice) {
  const policy = randomPolicy(dice);
  const truth = randomInventory(dice);
  const told = [honest(truth, dice), honest(truth, dice)];
  const others = told.flatMap(({ inventory }) => inventory ?? []);
  const liar = { nodeId: dice.one(['n0', 'n9']), told: lie(truth, others, dice), changedMs: dice.one([0, 9]) };
  return { policy, told, liar, isReversed: dice.chance(0.2) };
}

/** What goes wrong in one case, and what became of outcomes and verdicts. */
async function judgeCase({ policy, told, liar, isReversed }: ReturnType<typeof randomCase>) {
  const wrong: string[] = [];
  const changes: string[] = [];
  const forged = await claimOf(liar.nodeId, liar.told, liar.changedMs);
  const claims = await Promise.all(told.map((one, node) => claimOf(`n${String(node + 1)}`, one, node + 1)));
  const [without, withLiar] = [await judge(policy, claims), await judge(policy, [...claims, forged])];
  const reversed = isReversed ? await judge(policy, [forged, ...claims.toReversed()]) : withLiar;
  if (verdictText(reversed) !== verdictText(withLiar)) wrong.push('the order of claims matters');
  const [expected, decided] = [decide(policy, without), decide(policy, withLiar)];
  changes.push(`${expected.outcome} to ${decided.outcome}`);
  if (expected.outcome === 'deny' && decided.outcome === 'allow') wrong.push('a refused image is allowed');
  const objecting = new Set(decided.reasons.map(({ rule }) => rule));
  for (const { kind, rule } of expected.reasons)
    if (kind === 'violation' && !objecting.has(rule)) wrong.push(`${rule} has nothing against it any more`);
  const before = findingsOf(policy, without);
  const [kept, fresh] = [findingsOf(policy, withLiar, before), findingsOf(policy, withLiar)];
  for (const { check, verdict } of before) {
    const [now, first] = [kept, fresh].map((all) => all.find((one) => one.check === check)?.verdict);
    changes.push(`${verdict} to ${String(now)}`);
    if (now === undefined || first === undefined) wrong.push(`${check} vanishes`);
    else if (verdict === 'fail' && (now !== 'fail' || first === 'pass')) wrong.push(`${check}: ${now}, first ${first}`);
  }
  return { wrong, changes };
}

await t.test('one of three nodes lies', async (t) => {
  const dice = diceOf(randomNumbers(SEED));
  const tally = new Map<string, number>();
  for (let done = 0; done < CASES; done += AT_ONCE) {
    const cases = Array.from({ length: AT_ONCE }, () => randomCase(dice));
    for (const [index, { wrong, changes }] of (await Promise.all(cases.map(judgeCase))).entries()) {
      if (wrong.length > 0) t.fail(`${wrong.join('; ')}: case ${String(done + index)} ${JSON.stringify(cases[index])}`);
      for (const change of changes) tally.set(change, (tally.get(change) ?? 0) + 1);
    }
  }
  t.comment(Object.fromEntries(tally));
  // The generator reaches what it is for.
  for (const what of [
    'deny to couldNotTell',
    'deny to deny',
    'allow to allow',
    'allow to couldNotTell',
    'fail to fail',
  ])
    t.ok((tally.get(what) ?? 0) > CASES / 100, what);
});

function verdictText(verdicts: Verdicts): string {
  return JSON.stringify(verdicts.map(({ digests, verdicts: all, unscanned }) => [digests, all, unscanned]));
}
