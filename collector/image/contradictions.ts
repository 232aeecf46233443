import type { Clock } from '../../service/clock.ts';
import type { Issue } from '../status/collector-status.ts';
import type { ImageStore, StoredClaim } from '../store/image-store.ts';

/** Follows the images about whose packages nodes contradict each other. */
export interface Contradictions {
  /** Looks for them where it is time. Rejects as the store does. */
  readonly refresh: () => Promise<void>;
  readonly issues: () => readonly Issue[];
}

const INTERVAL_MS = 60_000;
const MAX_IMAGES = 20;
/** Nodes that are named of each side. */
const MAX_NAMED = 3;
const ADVICE =
  'image policies accept no such image: scan it (POST /v1/policies/scans), which settles it, and compare with plimsoll ' +
  'images show IMAGE which node is wrong; agents of different versions can read different packages, otherwise the ' +
  'certificate of that node may have been stolen';

/** None are known before the first `refresh`. */
export function followContradictions(
  images: Pick<ImageStore, 'contradictedImages' | 'claims'>,
  clock: Pick<Clock, 'monotonic'>,
): Contradictions {
  let readMs = -Infinity;
  let issues: readonly Issue[] = [];
  return {
    refresh: async () => {
      if (clock.monotonic() - readMs < INTERVAL_MS) return;
      readMs = clock.monotonic();
      const found: Issue[] = [];
      for (const imageId of await images.contradictedImages(MAX_IMAGES)) {
        const sides = sidesOf(await images.claims(imageId));
        found.push({
          code: 'imageContradiction',
          subject: imageId,
          text: `nodes contradict each other about the packages of this image: ${sides}`,
          advice: ADVICE,
        });
      }
      issues = found;
    },
    issues: () => issues,
  };
}

/** The nodes that say the same together, by name and id: a node chooses its name, and can take that of another. */
function sidesOf(claims: readonly StoredClaim[]): string {
  const byDigest = Map.groupBy(
    claims.filter(({ isStored }) => isStored),
    ({ digest = '', source }) => `${digest} ${source}`,
  );
  return [...byDigest.values()]
    .map((own) => {
      const names = own.map(({ nodeId, nodeName }) => `${nodeName.slice(0, 64)} (${nodeId})`).sort();
      const rest = names.length > MAX_NAMED ? ` and ${String(names.length - MAX_NAMED)} more` : '';
      return `${names.slice(0, MAX_NAMED).join(', ')}${rest} from ${own[0]?.source === 'layers' ? 'the layers' : 'containers'}`;
    })
    .sort()
    .slice(0, MAX_NAMED)
    .join(' | ');
}
