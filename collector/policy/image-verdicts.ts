import { annotate } from '../../image/policy/annotations.ts';
import { mapObserved, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { SignatureEvidence } from '../../policy/evidence.ts';
import { judgeImage } from '../../policy/image-verdict.ts';
import { isDigest } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import type { SnapshotImage, SnapshotVerdict } from '../../policy/snapshot.ts';
import type { AnnotationIndex } from '../../vulnerability/annotation-index.ts';
import type { FleetEvidence } from './image-evidence.ts';

/** A manifest or index that is known to name the image. */
export interface KnownManifest {
  readonly digest: string;
  /** Repositories in which it was found. */
  readonly repositories: readonly ImageReference[];
  readonly signatures: Observed<readonly SignatureEvidence[]>;
}

/** A policy with the VEX statements and waivers that count for it: those of its files, then those of the collector. */
export interface IndexedPolicy {
  readonly policy: ImagePolicy;
  readonly annotationsAbout: AnnotationIndex['about'];
}

/** Statements and waivers about some vulnerabilities. */
export type Annotating = ReturnType<AnnotationIndex['about']>;

/** What verdicts are made of. */
export interface VerdictInput {
  /** `sha256:…` of the configuration. */
  readonly imageId: string;
  readonly manifests: readonly KnownManifest[];
  readonly evidence: FleetEvidence;
  readonly databaseValidUntil: number | undefined;
  readonly now: number;
}

const NO_MANIFEST = unreadable('registry', 'signatures belong to a manifest, and this is the id of an image');

/** The verdicts of all policies on an image, for its id and for each manifest that names it. */
export function judgeFleetImage(policies: readonly IndexedPolicy[], input: VerdictInput): readonly SnapshotImage[] {
  const { imageId, manifests, evidence, now } = input;
  const { scannedAt, database } = evidence;
  const id: KnownManifest = { digest: imageId, repositories: [], signatures: NO_MANIFEST };
  const byVerdicts = new Map<string, { readonly digests: string[]; readonly verdicts: readonly SnapshotVerdict[] }>();
  for (const manifest of [id, ...manifests.filter(({ digest }) => digest !== imageId)]) {
    if (!isDigest(manifest.digest)) continue;
    const verdicts = policies.flatMap((policy) => verdictsOf(policy, manifest, input));
    const key = JSON.stringify(verdicts);
    const same = byVerdicts.get(key) ?? { digests: [], verdicts };
    byVerdicts.set(key, same);
    same.digests.push(manifest.digest);
  }
  return [...byVerdicts.values()].map(({ digests, verdicts }) => ({
    digests,
    judgedAt: now,
    scannedAt: scannedAt.state === 'seen' ? scannedAt.value : null,
    databaseBuiltAt: database.state === 'seen' ? database.value.builtAt : null,
    verdicts,
  }));
}

/** The verdict for every repository, and one for each repository where waivers make a difference. */
function verdictsOf(
  { policy, annotationsAbout }: IndexedPolicy,
  { digest, repositories, signatures }: KnownManifest,
  { evidence, databaseValidUntil, now }: VerdictInput,
): readonly SnapshotVerdict[] {
  const { vulnerabilities: found } = evidence;
  const annotations = annotationsAbout(
    found.state === 'seen' ? found.value.matches.map((match) => match.vulnerability) : [],
  );
  const judge = (reference: ImageReference | undefined): SnapshotVerdict => {
    const { vulnerabilities, waiversValidUntil } = applyAnnotations(annotations, { evidence, reference, digest, now });
    const verdict = judgeImage(
      policy,
      { ...evidence, vulnerabilities, signatures },
      {
        now,
        ...(databaseValidUntil === undefined ? {} : { databaseValidUntil }),
        ...(waiversValidUntil === undefined ? {} : { waiversValidUntil }),
      },
    );
    const repository = reference === undefined ? null : `${reference.registry}/${reference.path}`;
    // Packages and vulnerabilities as objects would be most of the memory.
    const reasons = verdict.reasons.map(({ package: _package, vulnerability: _vulnerability, ...reason }) => reason);
    return { ...verdict, reasons, repository };
  };
  const general = judge(undefined);
  if (annotations.waivers.length === 0 && annotations.statements.length === 0) return [general];
  const told = JSON.stringify({ ...general, repository: '' });
  const special = repositories.map(judge).filter((one) => JSON.stringify({ ...one, repository: '' }) !== told);
  return [general, ...new Map(special.map((one) => [one.repository, one])).values()];
}

function applyAnnotations(
  annotations: Annotating,
  {
    evidence,
    reference,
    digest,
    now,
  }: Pick<VerdictInput, 'evidence' | 'now'> & {
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
