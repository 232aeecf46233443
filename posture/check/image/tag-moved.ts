import type { ImageTag } from '../../fact/image-tags.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { imageTagsCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** Tags that the evidence names. */
const MAX_NAMED = 8;

export const tagMoved = imageTagsCheck({
  id: 'image.tag-moved',
  title: 'Tag in the registry names the image that runs',
  failTitle: 'What runs is not what its tag names now',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'A tag is only a name. Where it names another image now, the containers run an older one than the registry offers, or somebody replaced the image: the next start on another node runs something else than what was checked here. A tag that is gone cannot be pulled again, and whoever takes over its repository decides what comes instead.',
  remediation:
    'Compare the digests in the evidence with the build that you released. If the tag was moved on purpose, roll the workload out again; if not, find out who pushed to the repository. Deploy by digest (image@sha256:…), so that a tag cannot change what runs.',
  references: [
    'https://kubernetes.io/docs/concepts/containers/images/#image-names',
    'https://docs.docker.com/reference/cli/docker/image/pull/#pull-an-image-by-digest-immutable-identifier',
  ],
  judges: 'imageTags',
  needs: [],
  judge: ({ imageId, tags }) => {
    const differing = tags.filter(({ state }) => state !== 'same' && state !== 'unknown');
    const [first] = differing;
    if (first !== undefined) {
      const further = differing.length > 1 ? ` (and ${String(differing.length - 1)} more tags)` : '';
      return fail(`${quote(first.reference)} ${REASONS[first.state]}${further}`, ...evidenceOf(differing, imageId));
    }
    const unread = tags.find(({ state }) => state === 'unknown');
    if (unread === undefined) return pass(...evidenceOf(tags, imageId));
    const reason = quote(unread.reason ?? 'no answer');
    return unknownBecause(`what ${quote(unread.reference)} names now is not known: ${reason}`);
  },
});

const REASONS = {
  same: 'names the image that runs',
  moved: 'names another image now',
  gone: 'is not in its registry any more',
  unstable: 'changes more often than a release does',
  unknown: 'is not known',
} as const satisfies Record<ImageTag['state'], string>;

/** What a tag names, as evidence. */
const NAMED = {
  same: 'the image that runs',
  moved: 'another image',
  gone: 'no image',
  unstable: 'one image after another',
  unknown: 'not known',
} as const satisfies Record<ImageTag['state'], string>;

function evidenceOf(tags: readonly ImageTag[], imageId: string): readonly Evidence[] {
  return tags.slice(0, MAX_NAMED).map(({ reference, state, digest }) => ({
    source: tagSource(reference),
    // The reason says the state already.
    seen: digest === undefined ? NAMED[state] : `${NAMED[state]}, manifest ${digest}`,
    expected: `the image that runs, ${quote(imageId)}`,
  }));
}

/** The source of evidence about a tag. */
export function tagSource(reference: string): string {
  return `registry, ${quote(reference)}`;
}
