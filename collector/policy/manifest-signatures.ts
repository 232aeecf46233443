import type { Observed } from '../../posture/observed.ts';
import type { SignatureEvidence } from '../../policy/evidence.ts';
import { canonicalRegistry } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';

/**
 * The signatures of a manifest or index in one repository. Signatures are kept beside the image that they are for, so the
 * same digest can be signed in one repository and unsigned in another.
 */
export interface RepositorySignatures {
  readonly reference: ImageReference;
  readonly signatures: Observed<readonly SignatureEvidence[]>;
  /** When the registry was asked. */
  readonly atMs: number;
  /** Differs where the signatures differ. */
  readonly revision: string;
}

/** The same with the digest that they are for. */
export interface ManifestSignatures extends RepositorySignatures {
  readonly digest: string;
}

/** Signatures by digest and repository. */
export type SignatureIndex = ReadonlyMap<string, ReadonlyMap<string, RepositorySignatures>>;

/** `registry/path` of a reference, in the form in which policies compare repositories. */
export function repositoryOf({ registry, path }: Pick<ImageReference, 'registry' | 'path'>): string {
  return `${canonicalRegistry(registry)}/${path}`;
}

/** What is known of each digest in each repository, from all answers: the newest about each signer counts. */
export function indexSignatures(all: Iterable<ManifestSignatures>): SignatureIndex {
  const index = new Map<string, Map<string, RepositorySignatures>>();
  for (const { digest, reference, signatures, atMs, revision } of all) {
    const one = { reference, signatures, atMs, revision };
    const ofDigest = index.get(digest) ?? new Map<string, RepositorySignatures>();
    index.set(digest, ofDigest);
    const repository = repositoryOf(one.reference);
    const known = ofDigest.get(repository);
    ofDigest.set(repository, known === undefined ? one : merged(known, one));
  }
  return index;
}

/** Two answers about the same digest in the same repository. A signer that could not be asked about changes nothing. */
function merged(one: RepositorySignatures, other: RepositorySignatures): RepositorySignatures {
  const [older, newer] = one.atMs <= other.atMs ? [one, other] : [other, one];
  const revision = `${older.revision},${newer.revision}`;
  if (newer.signatures.state !== 'seen' || older.signatures.state !== 'seen')
    return { ...(newer.signatures.state === 'unreadable' ? older : newer), revision };
  const results = new Map(older.signatures.value.map((entry) => [entry.authority, entry]));
  for (const entry of newer.signatures.value)
    if (entry.result.state !== 'unknown' || !results.has(entry.authority)) results.set(entry.authority, entry);
  return { ...newer, signatures: { ...newer.signatures, value: [...results.values()] }, revision };
}
