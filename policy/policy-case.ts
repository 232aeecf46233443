/**
 * Cases that a policy is tested with: what is known about an image, and the decision that is expected.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: ImagePolicyTest
 * policies: [production.yaml]
 * cases:
 *   - name: a critical vulnerability refuses the image
 *     image: registry.example.com/shop/db:16
 *     evidence: { packages: [], vulnerabilities: [{ id: CVE-2026-1, severity: critical, package: openssl }] }
 *     expect: { outcome: deny, reasons: [vulnerability] }
 * ```
 *
 * What a case does not say is not known.
 */
import { absent, seen, unreadable } from '../posture/observed.ts';
import type { Observed } from '../posture/observed.ts';
import { boolean, list, nullable, number, oneOf, record, string, withDefault } from '../posture/schema.ts';
import type { Infer, Parsed, Schema } from '../posture/schema.ts';
import { VERDICTS } from '../posture/verdict.ts';
import { VULNERABILITY_SEVERITIES } from '../vulnerability/vulnerability.ts';
import type { VulnerabilityMatch } from '../vulnerability/vulnerability.ts';
import type { Package } from '../vulnerability/package.ts';
import type { Decision, ImageSubject } from './decide.ts';
import type { ImageEvidence, SignatureEvidence } from './evidence.ts';
import type { ImagePolicy } from './image-policy.ts';
import { POLICY_API_VERSION } from './image-policy.ts';
import { REASON_CODE_NAMES } from './reason.ts';
import type { Reason } from './reason.ts';
import { authorityId } from './rule/signature.ts';
import { strictObject } from './strict-object.ts';
import { PACKAGE_TYPES } from './version-range.ts';

/** `kind` of the documents. */
export const POLICY_TEST_KIND = 'ImagePolicyTest';

/** A time of a case, as milliseconds since the epoch. */
export const caseTime: Schema<number> = {
  shape: { kind: 'string', doc: 'RFC 3339' },
  parse: (value, at = '') => {
    const ms =
      typeof value === 'string' && /^\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?$/.test(value) ? Date.parse(value) : Number.NaN;
    return Number.isNaN(ms)
      ? { ok: false, problem: `${at}: expected a time such as 2026-11-28 or 2026-11-28T12:00:00Z` }
      : { ok: true, value: ms };
  },
};

const onePackage = strictObject({
  type: withDefault(oneOf(PACKAGE_TYPES), 'deb'),
  name: string('', 512),
  version: withDefault(string('', 512), '1.0'),
  path: withDefault(string('', 4096), '/var/lib/dpkg/status'),
});

const vulnerability = strictObject({
  id: string('', 128),
  severity: withDefault(oneOf(VULNERABILITY_SEVERITIES), 'unknown'),
  package: string('name of the package', 512),
  packageType: withDefault(oneOf(PACKAGE_TYPES), 'deb'),
  version: withDefault(string('', 512), '1.0'),
  fixedVersion: nullable(string('', 512)),
  knownExploited: withDefault(boolean(), false),
  epss: nullable(number()),
  risk: withDefault(number(), 0),
  publishedAt: nullable(caseTime),
});

/** What is known about one image. */
export const caseEvidence = strictObject({
  packages: nullable(list(onePackage, '', 10_000)),
  gaps: withDefault(list(strictObject({ path: string('', 4096), reason: withDefault(string(), 'unreadable') })), []),
  setuid: nullable(list(string('', 4096), 'paths of setuid files; needs packages', 1000)),
  vulnerabilities: nullable(list(vulnerability, '', 10_000)),
  databaseBuiltAt: nullable(caseTime),
  scannedAt: nullable(caseTime),
  builtAt: nullable(caseTime),
  architecture: nullable(string('', 64)),
  checks: nullable(record(oneOf(VERDICTS), 'answers of checks of images, by id', 256)),
  environmentSecrets: nullable(list(string('', 256), 'names of variables of the environment that hold secrets', 1024)),
  distribution: nullable(strictObject({ name: string('', 128), endOfLifeAt: nullable(caseTime) })),
  signatures: nullable(
    record(
      oneOf(['verified', 'unsigned', 'other-signer', 'invalid', 'unknown']),
      'whether an authority of the policies has signed, by its name',
      256,
    ),
  ),
});

/** The decision that a case expects. Without a list of codes these are not compared. */
export const expectation = {
  outcome: oneOf(['allow', 'deny', 'couldNotTell']),
  reasons: nullable(list(oneOf(REASON_CODE_NAMES), 'codes of all reasons, in any order', 256)),
  warnings: nullable(list(oneOf(REASON_CODE_NAMES), 'codes of all warnings, in any order', 256)),
};

const oneCase = strictObject({
  name: string('', 256),
  image: nullable(string('', 1024)),
  digest: nullable(string('', 256)),
  namespace: nullable(string('', 253)),
  evidence: withDefault(caseEvidence, {
    packages: null,
    gaps: [],
    setuid: null,
    vulnerabilities: null,
    databaseBuiltAt: null,
    scannedAt: null,
    builtAt: null,
    architecture: null,
    checks: null,
    environmentSecrets: null,
    distribution: null,
    signatures: null,
  }),
  expect: strictObject(expectation),
});

/** The schema of a document with cases. */
export const policyTest = strictObject({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([POLICY_TEST_KIND]),
  policies: list(string('', 4096), 'policy files; relative to this file', 64),
  now: nullable(caseTime),
  cases: list(oneCase, '', 10_000),
});
/** See {@link policyTest}. */
export type PolicyTest = Infer<typeof policyTest>;
/** One case of a test. */
export type PolicyCase = PolicyTest['cases'][number];

/** The cases of one document, or what is wrong with it and where. */
export function parsePolicyTest(value: unknown): Parsed<PolicyTest> {
  const parsed = policyTest.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const problem = emptyTest(parsed.value);
  return problem === undefined ? parsed : { ok: false, problem };
}

/** What a test lacks. Without cases or policies nothing would be tested, and that would look like success. */
export function emptyTest(test: {
  readonly cases: readonly unknown[];
  readonly policies: readonly string[];
}): string | undefined {
  if (test.cases.length === 0) return 'cases: expected at least one';
  return test.policies.length === 0 ? 'policies: expected at least one' : undefined;
}

/** The subject of a case. */
export function subjectOf({ image, digest, namespace }: PolicyCase): ImageSubject {
  return { reference: image ?? undefined, digest: digest ?? undefined, namespace: namespace ?? undefined };
}

const SOURCE = 'case';
const NOT_GIVEN = unreadable(SOURCE, 'the case does not say it');

/** The evidence of a case at `now`; `policies` are those whose authorities it names. Or an authority that none has. */
export function evidenceOf(
  given: PolicyCase['evidence'],
  policies: readonly ImagePolicy[],
  now: number,
): Parsed<ImageEvidence> {
  const signatures = signaturesOf(given.signatures, policies);
  if (!signatures.ok) return signatures;
  if (given.setuid !== null && given.packages === null)
    return { ok: false, problem: 'evidence.setuid: expected packages beside it' };
  // As in an image: whoever did not see all files may have missed one of these, too.
  const setuid =
    given.setuid === null
      ? {}
      : { setuid: { files: given.setuid.map((path) => ({ path, mode: 0o4755 })), gaps: given.gaps } };
  const value: ImageEvidence = {
    inventory: observedOf(given.packages, (packages) => ({ packages, gaps: given.gaps, ...setuid })),
    scannedAt: given.scannedAt === null && given.packages !== null ? seen(now, SOURCE) : observedOf(given.scannedAt),
    database:
      given.databaseBuiltAt === null && given.vulnerabilities === null
        ? NOT_GIVEN
        : seen({ builtAt: given.databaseBuiltAt ?? now, hasKnownExploited: true, hasExploitPrediction: true }, SOURCE),
    vulnerabilities: observedOf(given.vulnerabilities, (all) => ({
      matches: all.map((v) => matchOf(v, now)),
      unjudged: [],
    })),
    distribution: observedOf(given.distribution, ({ name, endOfLifeAt }) => ({
      name,
      endOfLifeAt:
        endOfLifeAt === null
          ? unreadable(SOURCE, 'the case does not say when support ends')
          : seen(endOfLifeAt, SOURCE),
    })),
    configuration: configurationOf(given),
    signatures: signatures.value,
  };
  return { ok: true, value };
}

function observedOf<T>(value: T | null): Observed<T>;
function observedOf<T, U>(value: T | null, change: (value: T) => U): Observed<U>;
function observedOf(value: unknown, change: (value: never) => unknown = (same) => same): Observed<unknown> {
  return value === null ? NOT_GIVEN : seen(change(value as never), SOURCE);
}

function configurationOf(given: PolicyCase['evidence']): ImageEvidence['configuration'] {
  const { builtAt, architecture, checks, environmentSecrets } = given;
  if ([builtAt, architecture, checks, environmentSecrets].every((part) => part === null)) return NOT_GIVEN;
  return seen(
    {
      createdAt: observedOf(builtAt),
      architecture: observedOf(architecture),
      environmentSecrets: observedOf(environmentSecrets),
      checks: new Map(
        Object.entries(checks ?? {}).map(([id, verdict]) => [id, { verdict, reason: `the case says ${verdict}` }]),
      ),
    },
    SOURCE,
  );
}

function matchOf(given: Infer<typeof vulnerability>, now: number): VulnerabilityMatch {
  const one: Package = {
    type: given.packageType,
    name: given.package,
    version: given.version,
    path: '/var/lib/dpkg/status',
  };
  const { id, severity, risk, epss, publishedAt, fixedVersion } = given;
  return {
    package: one,
    status: fixedVersion === null ? 'affected' : 'fixed',
    ...(fixedVersion === null ? {} : { fixedVersion }),
    vulnerability: {
      id,
      advisory: id,
      aliases: [],
      severity,
      risk,
      ...(publishedAt === null ? {} : { publishedAt }),
      ...(epss === null ? {} : { epss: { score: epss, percentile: 0 } }),
      ...(given.knownExploited ? { kev: { addedAt: now, ransomware: false } } : {}),
    },
  };
}

function signaturesOf(
  given: PolicyCase['evidence']['signatures'],
  policies: readonly ImagePolicy[],
): Parsed<ImageEvidence['signatures']> {
  if (given === null) return { ok: true, value: NOT_GIVEN };
  const authorities = policies.flatMap(({ rules }) =>
    rules.flatMap((rule) => (rule.type === 'signature' ? rule.authorities : [])),
  );
  const results: SignatureEvidence[] = [];
  for (const [name, state] of Object.entries(given)) {
    const named = authorities.filter((authority) => authority.name === name);
    if (named.length === 0) return { ok: false, problem: 'evidence.signatures names an authority that no policy has' };
    for (const authority of named) results.push({ authority: authorityId(authority), result: resultOf(state) });
  }
  return { ok: true, value: results.length === 0 ? absent(SOURCE) : seen(results, SOURCE) };
}

function resultOf(state: SignatureEvidence['result']['state']): SignatureEvidence['result'] {
  switch (state) {
    case 'unsigned':
      return { state };
    case 'verified':
    case 'other-signer':
      return { state, by: SOURCE };
    case 'invalid':
    case 'unknown':
      return { state, reason: 'the case says so' };
  }
}

/** What differs between a decision and what a case expects, one line each; empty: as expected. */
export function differencesBetween(
  expect: PolicyCase['expect'],
  decision: Pick<Decision, 'outcome'> & Readonly<Record<'reasons' | 'warnings', readonly Pick<Reason, 'code'>[]>>,
): readonly string[] {
  const differences: string[] = [];
  if (decision.outcome !== expect.outcome) differences.push(`expected ${expect.outcome}, got ${decision.outcome}`);
  for (const part of ['reasons', 'warnings'] as const) {
    const expected = expect[part];
    if (expected === null) continue;
    const [wanted, got] = [new Set<string>(expected), new Set<string>(decision[part].map(({ code }) => code))];
    const missing = [...wanted].filter((code) => !got.has(code));
    const surplus = [...got].filter((code) => !wanted.has(code));
    if (missing.length > 0) differences.push(`missing ${part}: ${missing.toSorted().join(', ')}`);
    if (surplus.length > 0) differences.push(`unexpected ${part}: ${surplus.toSorted().join(', ')}`);
  }
  return differences;
}
