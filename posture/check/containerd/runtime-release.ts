import { isAffected } from '../release.ts';
import type { Vulnerability } from '../release.ts';

/** A program whose version Docker or the CRI reports. */
export type RuntimeProgram = 'containerd' | 'runc';

/** The day from which a branch gets no fixes, as its project planned it. */
interface BranchEnd {
  readonly before: number;
  readonly day: string;
}

/** What follows was known on this day: https://vuln.go.dev, https://endoflife.date/containerd, RELEASES.md of runc. */
export const RUNTIME_DATA_MS = Date.UTC(2026, 7, 21);

/** By the Go vulnerability database and the CVE records; a few that are later than {@link RUNTIME_DATA_MS}. */
const VULNERABILITIES: Readonly<Record<RuntimeProgram, readonly Vulnerability[]>> = Object.freeze({
  containerd: [
    {
      id: 'CVE-2022-23648',
      affected: [
        [0, 1_004_013],
        [1_005_000, 1_005_010],
        [1_006_000, 1_006_001],
      ],
    },
    {
      id: 'CVE-2022-23471',
      affected: [
        [0, 1_005_016],
        [1_006_000, 1_006_012],
      ],
    },
    {
      id: 'CVE-2023-25173',
      affected: [
        [0, 1_005_018],
        [1_006_000, 1_006_018],
      ],
    },
    {
      id: 'CVE-2024-40635',
      affected: [
        [0, 1_006_038],
        [1_007_000, 1_007_027],
        [2_000_000, 2_000_004],
      ],
    },
    { id: 'CVE-2025-47290', affected: [[2_001_000, 2_001_001]] },
    { id: 'CVE-2025-47291', affected: [[2_000_001, 2_000_005]] },
    {
      id: 'CVE-2024-25621',
      affected: [
        [0, 1_007_029],
        [2_000_000, 2_000_007],
        [2_001_000, 2_001_005],
      ],
    },
    {
      id: 'CVE-2025-64329',
      affected: [
        [0, 1_007_029],
        [2_000_000, 2_000_007],
        [2_001_000, 2_001_005],
      ],
    },
    {
      id: 'CVE-2026-46680',
      affected: [
        [1_007_027, 1_007_032],
        [2_000_004, 2_000_009],
        [2_001_000, 2_002_004],
        [2_003_000, 2_003_001],
      ],
    },
    ...['CVE-2026-47262', 'CVE-2026-53488'].map((id): Vulnerability => ({
      id,
      affected: [
        [1_007_000, 1_007_033],
        [2_000_000, 2_000_010],
        [2_001_000, 2_001_009],
        [2_002_000, 2_002_005],
        [2_003_000, 2_003_002],
      ],
    })),
    ...['CVE-2026-50195', 'CVE-2026-53489', 'CVE-2026-53492'].map((id): Vulnerability => ({
      id,
      affected: [
        [2_001_000, 2_001_009],
        [2_002_000, 2_002_005],
        [2_003_000, 2_003_002],
      ],
    })),
    {
      id: 'CVE-2026-95839',
      affected: [
        [2_002_000, 2_002_010],
        [2_003_000, 2_003_007],
        [2_004_000, 2_004_002],
      ],
    },
  ],
  runc: [
    { id: 'CVE-2021-30465', affected: [[0, 1_000_000]] },
    { id: 'CVE-2023-27561', affected: [[0, 1_001_005]] },
    { id: 'CVE-2023-28642', affected: [[0, 1_001_005]] },
    { id: 'CVE-2024-21626', affected: [[0, 1_001_012]] },
    { id: 'CVE-2024-45310', affected: [[0, 1_001_014]] },
    ...['CVE-2025-31133', 'CVE-2025-52565', 'CVE-2025-52881'].map((id): Vulnerability => ({
      id,
      affected: [
        [0, 1_002_008],
        [1_003_000, 1_003_003],
      ],
    })),
    {
      id: 'CVE-2026-41579',
      affected: [
        [0, 1_003_006],
        [1_004_000, 1_004_003],
      ],
    },
    {
      id: 'CVE-2026-119101',
      affected: [
        [0, 1_003_007],
        [1_004_000, 1_004_004],
        [1_005_000, 1_005_003],
      ],
    },
  ],
});

/** runc maintains its last three branches, so one ends when another begins. */
const BRANCH_ENDS: Readonly<Record<RuntimeProgram, readonly BranchEnd[]>> = Object.freeze({
  containerd: [
    { before: 1_006_000, day: '2023-02-28' },
    { before: 1_007_000, day: '2025-08-23' },
    { before: 2_000_000, day: '2026-09-01' },
    { before: 2_001_000, day: '2027-03-01' },
    { before: 2_002_000, day: '2026-07-03' },
    { before: 2_003_000, day: '2026-11-06' },
    { before: 2_004_000, day: '2028-04-30' },
  ],
  runc: [
    { before: 1_001_000, day: '2025-04-29' },
    { before: 1_002_000, day: '2025-11-28' },
    { before: 1_003_000, day: '2026-06-19' },
  ],
});

/** Newest releases with all fixes, for people who have to look themselves. */
export const FIXED_RUNC = '1.3.7, 1.4.4 or 1.5.3';

/** The vulnerabilities that a release has, by id. */
export function vulnerabilitiesOf(program: RuntimeProgram, release: number): readonly string[] {
  return VULNERABILITIES[program].filter((one) => isAffected(one, release)).map(({ id }) => id);
}

/** The day from which the branch of the release gets no fixes, `2025-08-23`; undefined: none is planned, or known. */
export function endOfBranch(program: RuntimeProgram, release: number): string | undefined {
  return BRANCH_ENDS[program].find(({ before }) => release < before)?.day;
}
