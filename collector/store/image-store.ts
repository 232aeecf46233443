import type { Distribution, Inventory, Package } from '../../vulnerability/package.ts';
import type { FixStatus, Suppression, Vulnerability } from '../../vulnerability/vulnerability.ts';

/*
 * The images of the fleet: what nodes say about the images that they run, the inventories, each stored once by its
 * digest, the package versions in them, each stored once, and the vulnerabilities of each package version.
 */

/** Where an inventory was read; see fleet.proto. */
export type InventorySource = 'layers' | 'container';

/** What a node says about one image that it has. */
export interface ImageClaim {
  /** `sha256:…` */
  readonly imageId: string;
  /** SHA-256 of the inventory, hex; absent where the node has none. */
  readonly digest?: string;
  readonly source: InventorySource;
  /** Why there is no inventory; empty: it was not tried yet, or there is one. */
  readonly problem: string;
  /** Its tags, where no container of the node runs it; absent: one does. */
  readonly atRest?: readonly string[];
}

/** What `putClaims` did. */
export interface ClaimResult {
  /** Digests of the inventories of images that run which the node has and the store has not. */
  readonly wanted: readonly string[];
  /** Packages in the inventories of images that run, counted once an inventory. */
  readonly packages: number;
  /** Bytes of these inventories; see `inventoryBytes`. */
  readonly bytes: number;
  /** The same for the inventories that only images at rest have. */
  readonly atRest: { readonly wanted: readonly string[]; readonly packages: number; readonly bytes: number };
  /** Images of the list beyond the bound of a node, which are not stored: of those at rest first. */
  readonly omitted: number;
}

/** One claim as stored. */
export interface StoredClaim extends ImageClaim {
  readonly nodeId: string;
  readonly nodeName: string;
  /** The inventory is stored completely. */
  readonly isStored: boolean;
  /** False: the node does not have the image any more. */
  readonly inUse: boolean;
  readonly changedMs: number;
}

/** An image whose packages the collector has read itself, from the layers in its registry. */
export interface ImageScan {
  /** `sha256:…` of its configuration. */
  readonly id: string;
  /** `sha256:…` of its manifest. */
  readonly manifest: string;
  /** SHA-256 of the inventory, hex. */
  readonly inventory: string;
  readonly atMs: number;
}

/** How many vulnerabilities an inventory has, each counted once however many packages it affects. */
export interface VulnerabilityCounts {
  readonly critical: number;
  readonly high: number;
  readonly medium: number;
  readonly low: number;
  /** Severity `negligible` or `unknown`. */
  readonly other: number;
  readonly fixable: number;
  /** In the catalogue of known exploited vulnerabilities. */
  readonly exploited: number;
  /** Highest risk, 0 to 100. */
  readonly maxRisk: number;
}

/** An inventory as stored, without its packages. */
export interface StoredInventory {
  readonly digest: string;
  readonly distribution?: Distribution;
  readonly packages: number;
  readonly gaps: number;
  readonly receivedMs: number;
  /** Packages whose vulnerabilities could not be judged. */
  readonly unjudged: number;
  /** Packages that were not judged yet. */
  readonly waiting: number;
  readonly counts: VulnerabilityCounts;
}

/** One package version, with the distribution that it is judged with. */
export interface PackageVersion {
  readonly key: number;
  /** What its last judgement depended on; empty: not known. */
  readonly evidence: string;
  /** Of packages of the operating system. */
  readonly distribution?: Distribution;
  /** `path` is empty: it differs from image to image. */
  readonly package: Package;
}

/** What the vulnerability database says about one package version. */
export interface Judgement {
  readonly key: number;
  /** Names what the judgement depends on; absent: that is not known. */
  readonly evidence?: string;
  /** Why it could not be judged. Its earlier vulnerabilities then stay. */
  readonly unjudged?: string;
  readonly matches: readonly {
    readonly vulnerability: Vulnerability;
    readonly status: FixStatus;
    readonly fixedVersion?: string;
  }[];
}

/** One vulnerability of one package version. */
export interface PackageVulnerability {
  readonly packageKey: number;
  readonly package: Package;
  /** See `PackageVersion`. */
  readonly distribution?: Distribution;
  /** What suppresses it wherever it runs; absent: nothing. */
  readonly suppressed?: Suppression;
  readonly vulnerability: Vulnerability;
  readonly status: FixStatus;
  readonly fixedVersion?: string;
  readonly firstSeenMs: number;
}

/** What suppresses a vulnerability of a package version from now on; absent: nothing. */
export interface SuppressionChange {
  readonly packageKey: number;
  readonly vulnerabilityKey: number;
  readonly suppressed?: Suppression;
}

/** Decides whether a vulnerability that is new to a package version is suppressed. Called within a transaction. */
export type SuppressNew = (
  match: Pick<VulnerabilityChange, 'package' | 'distribution' | 'vulnerability' | 'status' | 'fixedVersion'>,
  places: () => readonly PackagePlace[],
) => Suppression | undefined;

/** Where a package version is: an image, on all nodes that run it or on one only. */
export interface PackagePlace {
  readonly packageKey: number;
  readonly imageId: string;
  /** Absent: wherever the image runs. */
  readonly nodeId?: string;
}

/** One vulnerability that a later version of a package fixes: what a list of fixes is made of. */
export interface Fixable {
  readonly packageKey: number;
  readonly vulnerabilityId: string;
  readonly severity: Vulnerability['severity'];
  readonly risk: number;
  readonly exploited: boolean;
  readonly fixedVersion: string;
}

/** Which vulnerabilities. */
export interface VulnerabilityFilter {
  readonly severities?: readonly Vulnerability['severity'][];
  readonly exploited?: boolean;
  readonly fixable?: boolean;
  /** True: suppressed for some affected package version; false: not suppressed for some. */
  readonly suppressed?: boolean;
  /** Part of the id or of the name of an affected package; case does not matter. */
  readonly text?: string;
}

/** Where the images of an affected package version run, for events. Called within a transaction. */
export type DescribeUse = (places: readonly PackagePlace[]) => ImageUseSummary;

/** Where images run, cut to a bounded length. */
export interface ImageUseSummary {
  readonly images: readonly { readonly id: string; readonly name: string }[];
  readonly imageCount: number;
  readonly containers: readonly {
    readonly nodeId: string;
    readonly nodeName: string;
    readonly id: string;
    readonly name: string;
  }[];
  readonly containerCount: number;
  readonly nodeCount: number;
}

/**
 * opened: found, or not suppressed any more; changed: severity, fix, exploitation or suppression differ; resolved:
 * fixed, withdrawn, or no image has it.
 */
export type VulnerabilityAction = 'opened' | 'changed' | 'resolved';

/** Why a vulnerability of a package version is resolved: the database does not list it any more, or no image has it. */
export type VulnerabilityCause = 'database' | 'imageGone';

/** What an event about a vulnerability says. */
export interface VulnerabilityChange {
  readonly action: VulnerabilityAction;
  readonly cause?: VulnerabilityCause;
  readonly atMs: number;
  readonly package: Package;
  readonly distribution?: Distribution;
  readonly vulnerability: Vulnerability;
  readonly status: FixStatus;
  readonly fixedVersion?: string;
  readonly firstSeenMs: number;
  /** Why it does not count; absent: it counts. */
  readonly suppressed?: Suppression;
  readonly use: ImageUseSummary;
}

/** An event about a vulnerability of one package version, in the outbox. */
export interface VulnerabilityEvent extends VulnerabilityChange {
  readonly position: number;
  readonly uid: string;
}

/** What judgements are stored with. */
export interface JudgementTerms {
  readonly atMs: number;
  readonly describeUse: DescribeUse;
  readonly suppressNew?: SuppressNew;
  /** Most vulnerabilities to store; all where absent. */
  readonly limit?: number;
}

/**
 * A place among package versions whose vulnerabilities have no events yet: from this package on, after this
 * vulnerability.
 */
export interface AnnouncePlace {
  readonly packageKey: number;
  readonly afterVulnerability: number;
}

/** The first place. */
export const ANNOUNCE_START: AnnouncePlace = Object.freeze({ packageKey: 0, afterVulnerability: 0 });

/** The part of the `Store` port that holds images. Every method rejects with StoreError. */
export interface ImageStore {
  /**
   * Stores what a node says about its images. `isWhole`: images that the list does not name are not there any more;
   * their claims stay until `prune`.
   */
  readonly putClaims: (
    nodeId: string,
    claims: readonly ImageClaim[],
    terms: { readonly isWhole: boolean; readonly atMs: number },
  ) => Promise<ClaimResult>;
  /** Stores an inventory that a claim names; does nothing where it is stored, or where no claim names it any more. */
  readonly putInventory: (digest: string, inventory: Inventory, content: Uint8Array, atMs: number) => Promise<void>;
  /** The last in order of the databases that judged a package version; empty: none did. */
  readonly newestDatabase: () => Promise<string>;
  /**
   * Package versions that this database has not judged, at most `limit`, by name, from `fromName` on (from the first).
   */
  readonly unjudged: (database: string, limit: number, fromName?: string) => Promise<readonly PackageVersion[]>;
  /**
   * Stores judgements with their events, in one transaction. A package version that only images at rest have makes no
   * event. `newest`: position of the last event, 0 without events. `stored`: how many judgements are stored
   * completely. The next one may be in part; its package version stays unjudged until the same judgement is put again.
   */
  readonly putJudgements: (
    database: string,
    judgements: readonly Judgement[],
    terms: JudgementTerms,
  ) => Promise<{ readonly newest: number; readonly stored: number }>;
  /** Vulnerabilities with a key above `after`, by key, at most `limit`. */
  readonly vulnerabilityNames: (
    after: number,
    limit: number,
  ) => Promise<readonly (Pick<Vulnerability, 'id' | 'advisory' | 'aliases'> & { readonly key: number })[]>;
  /** Keys of the vulnerabilities that are suppressed for some package version. */
  readonly suppressedKeys: () => Promise<readonly number[]>;
  /** The package versions that have the vulnerability with this key. */
  readonly packagesWith: (vulnerabilityKey: number) => Promise<readonly PackageVulnerability[]>;
  /**
   * Stores what is suppressed, with events, in one transaction. Resolves to the position of the last event, 0 without
   * events.
   */
  readonly putSuppressions: (
    changes: readonly SuppressionChange[],
    terms: { readonly atMs: number; readonly describeUse: DescribeUse },
  ) => Promise<number>;
  /**
   * Writes the events of package versions that only images at rest had until a container ran one of them. Looks at up
   * to `packages` package versions and writes up to `vulnerabilities` events, from a place on. `newest`: as in
   * `putJudgements`; `next`: where to go on; undefined: all were looked at.
   */
  readonly announce: (
    from: AnnouncePlace,
    limits: { readonly packages: number; readonly vulnerabilities: number },
    terms: { readonly atMs: number; readonly describeUse: DescribeUse; readonly suppressNew?: SuppressNew },
  ) => Promise<{ readonly newest: number; readonly next: AnnouncePlace | undefined }>;
  /** Another database says the same about these package versions: their judgements are those of that one. */
  readonly confirmJudgements: (database: string, packageKeys: readonly number[]) => Promise<void>;
  /** Counts the vulnerabilities of up to `limit` inventories whose packages were judged since. False: none is left. */
  readonly recount: (limit: number) => Promise<boolean>;
  /** All claims; of one image if its id is given. */
  readonly claims: (imageId?: string) => Promise<readonly StoredClaim[]>;
  /**
   * Images of which nodes have read different packages from the layers, or that have different distributions by them; at
   * most `limit`.
   */
  readonly contradictedImages: (limit: number) => Promise<readonly string[]>;
  /** The node of each of these package versions that only one node has. */
  readonly soleNodes: (packageKeys: readonly number[]) => Promise<ReadonlyMap<number, string>>;
  /** Vulnerabilities of all package versions that a node has. Reads all of them. */
  readonly vulnerabilityRows: (nodeId: string) => Promise<number>;
  /** All inventories that are stored completely, by digest. */
  readonly inventories: () => Promise<ReadonlyMap<string, StoredInventory>>;
  /** The inventory as the node sent it (proto/inventory-codec.ts); undefined: not stored. */
  readonly inventoryContent: (digest: string) => Promise<Uint8Array | undefined>;
  /**
   * Stores what the collector has read itself. No node can change it. At most 2,000 scans and 256 MiB are kept: first
   * those of images that nodes have, then the newest.
   */
  readonly putScan: (scan: ImageScan, content: Uint8Array) => Promise<void>;
  readonly scans: () => Promise<readonly ImageScan[]>;
  /** The inventory of a scan, by the id of its image; undefined: not stored. */
  readonly scanContent: (id: string) => Promise<{ readonly digest: string; readonly bytes: Uint8Array } | undefined>;
  /** The vulnerabilities of the packages of these inventories. */
  readonly vulnerabilitiesOf: (digests: readonly string[]) => Promise<readonly PackageVulnerability[]>;
  /** Package versions of these inventories that could not be judged, with the reason. */
  readonly unjudgedOf: (
    digests: readonly string[],
  ) => Promise<readonly { readonly package: Package; readonly reason: string }[]>;
  /** Ids of the vulnerabilities that match, by risk, the highest first. */
  readonly vulnerabilityIds: (filter: VulnerabilityFilter) => Promise<readonly string[]>;
  /** Every package version that this vulnerability affects. */
  readonly affectedBy: (vulnerabilityId: string) => Promise<readonly PackageVulnerability[]>;
  /** The images that have these package versions. */
  readonly places: (packageKeys: readonly number[]) => Promise<readonly PackagePlace[]>;
  readonly fixable: () => Promise<readonly Fixable[]>;
  readonly packages: (packageKeys: readonly number[]) => Promise<readonly PackageVersion[]>;
  /** The packages of an inventory that is stored completely, as keys. */
  readonly packagesOf: (digest: string) => Promise<readonly number[]>;
  /**
   * Deletes claims of images that were not in use since `releasedBeforeMs`, inventories that no claim names, and
   * package versions that no inventory has: their vulnerabilities are resolved with an event. Resolves to the newest
   * position.
   */
  readonly pruneImages: (terms: { readonly releasedBeforeMs: number; readonly atMs: number }) => Promise<number>;
}
