import type { ImageExposure } from '../../policy/rollout/exposure.ts';
import { knowledgeOf } from './fleet-images.ts';
import { imageIdsOf } from './running-images.ts';
import type { RunningImages } from './running-images.ts';
import type { SuppressionReview } from './suppression-review.ts';
import type { DatabaseState } from './database-keeper.ts';
import type { PolicyService } from '../policy/policy-service.ts';
import { presentMatch } from '../policy/successor-search.ts';
import type { ImageStore } from '../store/image-store.ts';

/** What exposures are made of. */
export interface ExposureSources {
  readonly images: Pick<ImageStore, 'claims' | 'inventories' | 'vulnerabilitiesOf'>;
  readonly running: Pick<RunningImages, 'imageIds' | 'containersOf'>;
  readonly database: () => DatabaseState;
  readonly suppressionIn: SuppressionReview['suppressionIn'];
  readonly hasExpiredWaiver: SuppressionReview['hasExpiredWaiver'];
  readonly policies: Pick<PolicyService, 'manifestsOf' | 'endOfLifeOf'>;
}

const MAX_IMAGES = 10_000;
const MAX_CONTAINERS = 100_000;
const MAX_DIGESTS = 64;
const MAX_VULNERABILITIES = 5000;

/** Every image that runs or rests on a node, with what counts against it. */
export async function listExposures(sources: ExposureSources): Promise<readonly ImageExposure[]> {
  const { images, running, database, suppressionIn, hasExpiredWaiver, policies } = sources;
  const [claims, inventories] = await Promise.all([images.claims(), images.inventories()]);
  const byImage = Map.groupBy(claims, ({ imageId }) => imageId);
  const ids = imageIdsOf(running, claims).slice(0, MAX_IMAGES);
  const exposures: ImageExposure[] = [];
  for (const imageId of ids) {
    const { inventories: own, source, conflict } = knowledgeOf(byImage.get(imageId) ?? [], inventories, database());
    const found = own.length === 0 ? [] : await images.vulnerabilitiesOf(own.map(({ digest }) => digest));
    const ends = own.flatMap(({ distribution }) =>
      distribution === undefined ? [] : (policies.endOfLifeOf(distribution) ?? []),
    );
    exposures.push({
      imageId,
      digests: [imageId, ...policies.manifestsOf(imageId)].slice(0, MAX_DIGESTS),
      containers: running
        .containersOf(imageId)
        .slice(0, MAX_CONTAINERS)
        .map(({ nodeId, id }) => ({ nodeId, id })),
      source: conflict ? 'conflict' : source,
      vulnerabilities: found
        .filter((one) => suppressionIn(imageId, one) === undefined)
        .slice(0, MAX_VULNERABILITIES)
        .map((one) => presentMatch(one, hasExpiredWaiver(imageId, one))),
      endOfLifeMs: ends.length === 0 ? undefined : Math.min(...ends),
    });
    // Sessions have their turn between two images.
    await new Promise(setImmediate);
  }
  return exposures;
}
