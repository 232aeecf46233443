import { isAffected, releaseOf } from '../release.ts';
import type { Vulnerability } from '../release.ts';

/** A vulnerability of moby. */
export interface EngineVulnerability extends Vulnerability {
  /** Releases for which nobody has published whether they have the fix. */
  readonly undecided?: readonly (readonly [from: number, to: number])[];
  /** It lets requests pass an authorization plugin. */
  readonly bypassesPlugins?: boolean;
}

/** What follows was known on this day. Later releases and advisories are not in it. */
export const RELEASE_DATA_MS = Date.UTC(2026, 5, 13);

/** By the tags of moby that contain the fixes, and the CVE records: 19.03, 20.10, 24.0 and 26.0 got no further release. */
export const ENGINE_VULNERABILITIES: readonly EngineVulnerability[] = Object.freeze([
  {
    id: 'CVE-2024-24557',
    affected: [
      [0, 24_000_009],
      [25_000_000, 25_000_002],
    ],
  },
  {
    id: 'CVE-2024-41110',
    bypassesPlugins: true,
    affected: [
      [0, 18_009_001],
      [19_003_000, 23_000_015],
      [24_000_000, 25_000_006],
      [26_000_000, 26_001_005],
      [27_000_000, 27_001_001],
    ],
  },
  { id: 'CVE-2025-54388', affected: [[28_002_000, 28_003_003]] },
  {
    id: 'CVE-2026-34040',
    bypassesPlugins: true,
    affected: [
      [0, 25_000_016],
      [26_000_000, 28_005_003],
      [29_000_000, 29_003_001],
    ],
  },
  {
    id: 'CVE-2026-42306',
    affected: [
      [0, 25_000_015],
      [26_000_000, 28_005_003],
      [29_000_000, 29_005_001],
    ],
    undecided: [[25_000_015, 26_000_000]],
  },
]);

/** Branches that get no fixes from moby any more, and since when: project/BRANCHES-AND-TAGS.md of moby, endoflife.date. */
const ENDED: readonly (readonly [from: number, to: number, since: string])[] = [
  [0, 18_009_000, '2019'],
  [18_009_000, 19_003_000, '2019-08-22'],
  [19_003_000, 20_000_000, '2021-01-08'],
  [20_000_000, 23_000_000, '2023-12-10'],
  [23_000_000, 24_000_000, '2025-05-19'],
  [24_000_000, 25_000_000, '2024-06-08'],
  [26_000_000, 27_000_000, '2025-02-17'],
  [27_000_000, 28_000_000, '2025-05-03'],
];
/** The first release of a branch that began after {@link RELEASE_DATA_MS}. */
export const FIRST_UNKNOWN_RELEASE = 30_000_000;

/** Since when the branch of the release gets no fixes, `2025-05-03`; undefined: it still does, or is not known. */
export function endOf(release: number): string | undefined {
  return ENDED.find(([from, to]) => release >= from && release < to)?.[2];
}

/** Is the version one that its distribution may have fixed without a new version of the engine? */
export function lacksFixes(version: string): boolean {
  const release = releaseOf(version);
  if (release === undefined) return false;
  return endOf(release) !== undefined || ENGINE_VULNERABILITIES.some((one) => isAffected(one, release));
}
