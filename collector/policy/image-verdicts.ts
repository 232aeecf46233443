import { annotate } from '../../image/policy/annotations.ts';
import { mapObserved, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import { judgeAccounts } from '../../policy/image-verdict.ts';
import type { Account } from '../../policy/image-verdict.ts';
import { isDigest } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import type { SnapshotImage, SnapshotVerdict } from '../../policy/snapshot.ts';
import type { AnnotationIndex } from '../../vulnerability/annotation-index.ts';
import type { FleetEvidence } from './image-evidence.ts';
import { repositoryOf } from './manifest-signatures.ts';
import type { RepositorySignatures } from './manifest-signatures.ts';

/** The id of an image, or a manifest or index that is known to name it. */
export interface KnownManifest {
  readonly digest: string;
  /** Repositories in which it was found. */
  readonly repositories: readonly RepositorySignatures[];
}

/** A policy with the VEX statements and waivers that count for it: those of its files, then those of the collector. */
export interface IndexedPolicy {
  readonly policy: ImagePolicy;
  readonly annotationsAbout: AnnotationIndex['about'];
}

/** Statements and waivers about some vulnerabilities. */
export type Annotating = ReturnType<AnnotationIndex['about']>;

/** The evidence about an image by one source; see `Account`. */
export interface FleetAccount extends Omit<Account, 'evidence'> {
  readonly evidence: FleetEvidence;
}

/** What verdicts are made of. */
export interface VerdictInput {
  readonly manifests: readonly KnownManifest[];
  /** At least one. */
  readonly accounts: readonly FleetAccount[];
  /** Its packages are not known from its layers, and a scan could list them. */
  readonly isUnscanned: boolean;
  readonly databaseValidUntil: number | undefined;
  readonly now: number;
}

const NO_MANIFEST = unreadable('registry', 'signatures belong to a manifest, and this is the id of an image');
const OTHER_REPOSITORY = unreadable('registry', 'the collector has not looked for signatures in this repository');

/** Verdicts of one digest for single repositories: a snapshot has room for as many. Further repositories get the general one. */
const MAX_REPOSITORY_VERDICTS = 2000;

/** The verdicts of all policies on an image, for each digest that names it. */
export function judgeFleetImage(policies: readonly IndexedPolicy[], input: VerdictInput): readonly SnapshotImage[] {
  const { manifests, accounts, isUnscanned, now } = input;
  const scannedAt = firstSeen(accounts.map(({ evidence }) => evidence.scannedAt));
  const database = firstSeen(accounts.map(({ evidence }) => evidence.database));
  const byVerdicts = new Map<string, { readonly digests: string[]; readonly verdicts: readonly SnapshotVerdict[] }>();
  for (const manifest of manifests) {
    if (!isDigest(manifest.digest)) continue;
    let left = MAX_REPOSITORY_VERDICTS;
    const verdicts = policies.flatMap((policy) => {
      const [general, special] = verdictsOf(policy, manifest, input);
      const kept = special.slice(0, left);
      left -= kept.length;
      return [general, ...kept];
    });
    const key = JSON.stringify(verdicts);
    const same = byVerdicts.get(key) ?? { digests: [], verdicts };
    byVerdicts.set(key, same);
    same.digests.push(manifest.digest);
  }
  return [...byVerdicts.values()].map(({ digests, verdicts }) => ({
    digests,
    judgedAt: now,
    scannedAt: scannedAt ?? null,
    databaseBuiltAt: database?.builtAt ?? null,
    verdicts,
    unscanned: isUnscanned,
  }));
}

function firstSeen<T>(all: readonly Observed<T>[]): T | undefined {
  for (const one of all) if (one.state === 'seen') return one.value;
  return undefined;
}

/**
 * The verdict for every repository, and one for each repository where signatures or waivers make a difference: what one
 * repository has says nothing about the same image in another.
 */
function verdictsOf(
  { policy, annotationsAbout }: IndexedPolicy,
  { digest, repositories }: KnownManifest,
  { accounts, databaseValidUntil, now }: VerdictInput,
): readonly [SnapshotVerdict, readonly SnapshotVerdict[]] {
  const annotations = annotationsAbout(
    accounts.flatMap(({ evidence: { vulnerabilities } }) =>
      vulnerabilities.state === 'seen' ? vulnerabilities.value.matches.map((match) => match.vulnerability) : [],
    ),
  );
  const judge = (found?: RepositorySignatures): SnapshotVerdict => {
    const reference = found?.reference;
    const signatures = found?.signatures ?? (repositories.length === 0 ? NO_MANIFEST : OTHER_REPOSITORY);
    const ends: number[] = [];
    const judged = accounts.map((account): Account => {
      const { evidence } = account;
      const applied = applyAnnotations(annotations, { evidence, reference, digest, now });
      if (applied.waiversValidUntil !== undefined) ends.push(applied.waiversValidUntil);
      return { ...account, evidence: { ...evidence, vulnerabilities: applied.vulnerabilities, signatures } };
    });
    const verdict = judgeAccounts(policy, judged, {
      now,
      ...(databaseValidUntil === undefined ? {} : { databaseValidUntil }),
      ...(ends.length === 0 ? {} : { waiversValidUntil: Math.min(...ends) }),
    });
    const repository = reference === undefined ? null : repositoryOf(reference);
    // Packages and vulnerabilities as objects would be most of the memory.
    const reasons = verdict.reasons.map(({ package: _package, vulnerability: _vulnerability, ...reason }) => reason);
    return { ...verdict, reasons, repository };
  };
  const general = judge();
  const asksForSignatures = policy.rules.some(({ type }) => type === 'signature');
  if (!asksForSignatures && annotations.waivers.length === 0 && annotations.statements.length === 0)
    return [general, []];
  const shared = JSON.stringify({ ...general, repository: '' });
  return [general, repositories.map(judge).filter((one) => JSON.stringify({ ...one, repository: '' }) !== shared)];
}

function applyAnnotations(
  annotations: Annotating,
  {
    evidence,
    reference,
    digest,
    now,
  }: Pick<VerdictInput, 'now'> & {
    readonly evidence: FleetEvidence;
    readonly reference: ImageReference | undefined;
    readonly digest: string;
  },
) {
  const { inventory } = evidence;
  const distribution = inventory.state === 'seen' ? inventory.value.distribution : undefined;
  const used = new Set<string>();
  const vulnerabilities = mapObserved(evidence.vulnerabilities, ({ matches, unjudged }) => {
    const annotated = annotate(
      matches,
      { ...annotations, notes: [] },
      { reference, digest, distribution, now },
    ).matches;
    for (const { suppressed } of annotated) if (suppressed?.by === 'waiver') used.add(suppressed.source);
    return { matches: annotated, unjudged };
  });
  const expiries = annotations.waivers.filter(({ source }) => used.has(source)).map(({ expiresAt }) => expiresAt - 1);
  return { vulnerabilities, waiversValidUntil: expiries.length === 0 ? undefined : Math.min(...expiries) };
}
