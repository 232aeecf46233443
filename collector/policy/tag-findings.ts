import { tagMoved, tagSource } from '../../posture/check/image/tag-moved.ts';
import type { Finding } from '../../posture/finding.ts';
import { judgeImageTags } from '../../posture/judge.ts';
import type { NodeContainer, StoredFinding } from '../store/store.ts';
import type { ImageJudgement } from './image-findings.ts';
import type { RegistrySource } from './registry-facts.ts';

type TagSource = Pick<RegistrySource, 'tagOf' | 'subscribeToTags'>;

/** References of one image on one node. */
const MAX_NAMES = 16;

/**
 * Judges `image.tag-moved` for each image that a node runs from a tag of a registry that is asked. A node's own references
 * count for that node only. A registry that does not answer resolves nothing.
 */
export function createTagJudgement(registries: TagSource): ImageJudgement {
  return {
    checks: [tagMoved.id],
    subscribe: registries.subscribeToTags,
    judge: (imageId, containers, before) => {
      const finding = judgeImage(imageId, containers, { registries, before: before.get(tagMoved.id) });
      return finding === undefined ? [] : [finding];
    },
  };
}

/** The finding about an image of a node: `before` where nothing newer is known, undefined where there is no tag to judge. */
function judgeImage(
  imageId: string,
  containers: readonly NodeContainer[],
  { registries, before }: { readonly registries: TagSource; readonly before: StoredFinding | undefined },
): Finding | undefined {
  const names = [...new Set(containers.map(({ image }) => image))].slice(0, MAX_NAMES);
  const tags = names.map((name) => registries.tagOf(imageId, name)).filter((tag) => tag !== undefined);
  if (tags.length === 0) return undefined;
  const isOpen = ({ state }: (typeof tags)[number]): boolean => state !== 'same' && state !== 'unknown';
  // Not asked yet, as after a start: what was found before counts until the registry has answered.
  if (tags.some(({ isAsked }) => !isAsked) && !tags.some(isOpen)) return before;
  const finding = judgeImageTags(tagMoved, { imageId, name: names[0] ?? '', tags });
  if (finding.verdict !== 'unknown' || before?.verdict !== 'fail') return finding;
  // The tag that failed has no answer since: that it names the image again is not known.
  const failed = new Set(before.evidence.map(({ source }) => source));
  return tags.some(({ state, reference }) => state === 'unknown' && failed.has(tagSource(reference)))
    ? before
    : finding;
}
