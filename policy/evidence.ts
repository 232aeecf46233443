import type { Observed } from '../posture/observed.ts';
import type { Verdict } from '../posture/verdict.ts';
import type { Inventory } from '../vulnerability/package.ts';
import type { UnjudgedPackage, VulnerabilityMatch } from '../vulnerability/vulnerability.ts';

/**
 * What is known about an image when a decision is made. Each part is `seen`, `absent` (we looked, and it has none) or
 * `unreadable` with the reason. Whoever asks fills it: CI from an archive, the collector from its store. Times are
 * milliseconds since the epoch.
 */
export interface ImageEvidence {
  /** Packages, with what could not be read. `absent` is for images without a file system. */
  readonly inventory: Observed<Inventory>;
  /** When the packages were listed. `absent`: never. */
  readonly scannedAt: Observed<number>;
  /** The vulnerability database that `vulnerabilities` comes from. `absent`: no database. */
  readonly database: Observed<DatabaseEvidence>;
  readonly vulnerabilities: Observed<VulnerabilityEvidence>;
  /** `absent`: the image has no distribution, as images built from scratch. */
  readonly distribution: Observed<DistributionEvidence>;
  /** What the image configuration says; `absent` for something that has no configuration, such as an SBOM. */
  readonly configuration: Observed<ConfigurationEvidence>;
  /** One result for each authority of the applying policies that was asked, by `authorityId`. */
  readonly signatures: Observed<readonly SignatureEvidence[]>;
}

/** Age and parts of a vulnerability database. */
export interface DatabaseEvidence {
  readonly builtAt: number;
  /** Whether it holds CISA's catalogue: otherwise no vulnerability is known to be exploited, and that means nothing. */
  readonly hasKnownExploited: boolean;
  /** Whether it holds EPSS scores. */
  readonly hasExploitPrediction: boolean;
}

/** Vulnerabilities of the packages, and packages that could not be judged. */
export interface VulnerabilityEvidence {
  readonly matches: readonly VulnerabilityMatch[];
  readonly unjudged: readonly UnjudgedPackage[];
}

/** The support of a distribution. */
export interface DistributionEvidence {
  /** `debian 12`, for people. */
  readonly name: string;
  /** When security updates end or ended; unreadable where the database does not know the release. */
  readonly endOfLifeAt: Observed<number>;
}

/** What the image configuration says. */
export interface ConfigurationEvidence {
  /** When the image was built, by its own word. */
  readonly createdAt: Observed<number>;
  /** As in Go: `amd64`, `arm64`. */
  readonly architecture: Observed<string>;
  /** Names of the variables of its environment whose value is a secret, sorted. Values are not kept. */
  readonly environmentSecrets: Observed<readonly string[]>;
  /** Answers of the image checks, by check id. */
  readonly checks: ReadonlyMap<string, CheckAnswer>;
}

/** The answer of one image check. */
export interface CheckAnswer {
  readonly verdict: Verdict;
  /** One sentence; empty where it passes. */
  readonly reason: string;
}

/** Whether one authority signed the image. */
export interface SignatureEvidence {
  /** `authorityId` of the authority. */
  readonly authority: string;
  readonly result:
    | { readonly state: 'verified'; readonly by: string }
    | { readonly state: 'unsigned' }
    | { readonly state: 'other-signer'; readonly by: string }
    | { readonly state: 'invalid'; readonly reason: string }
    | { readonly state: 'unknown'; readonly reason: string };
}
