import { sourceOf } from '../../fact/container.ts';
import { imageSourceOf } from '../../fact/image.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote, quoteList } from '../evidence-text.ts';

export const imageCurrent = containerCheck({
  id: 'container.image-current',
  title: 'Image reference is specific and current',
  failTitle: 'Image reference is outdated or uses latest',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'After a tag was pulled or built again, containers that were started before still run the old image, with the defects that the new one repairs. A reference to latest does not name a version.',
  remediation:
    'Start the container again from the current image. Refer to images by a version tag or, better, by digest.',
  references: ['https://docs.docker.com/build/building/best-practices/#pin-base-image-versions'],
  judges: 'container',
  needs: ['images'],
  judge: (container, { images }) => {
    const reference = container.image;
    const asked: Evidence = {
      source: sourceOf(container, 'image'),
      seen: quote(reference),
      expected: 'a version tag or a digest',
    };
    if (isPinned(reference, container.imageId)) return pass(asked);
    const name = familiarName(reference);
    if (name.endsWith(':latest')) return fail('the reference of the image does not name a version', asked);
    if (images.state !== 'seen') {
      const reason = images.state === 'unreadable' ? images.reason : 'absent';
      return unknownBecause(`${images.source}: ${reason}`, asked);
    }
    const image = images.value.find(({ id }) => id === container.imageId);
    if (image === undefined) return unknownBecause('the image of the container could not be read', asked);
    const tags: Evidence = {
      source: imageSourceOf(image, 'tags'),
      seen: quoteList(image.tags),
      expected: quote(reference),
    };
    return image.tags.map(familiarName).includes(name)
      ? pass(tags, asked)
      : fail('the tag names another image now; the container runs the old one', tags, asked);
  },
});

/**
 * By digest or by id nothing else can be meant: `name@sha256:…`, `sha256:…`, `ad213b78733c`. An image can be named like
 * an id (`deadbeefcafe`), so a reference is one only where it is that of the image that runs.
 */
function isPinned(reference: string, imageId: string): boolean {
  if (/@sha256:[0-9a-f]{64}$/.test(reference)) return true;
  const digits = reference.replace(/^sha256:/, '');
  return /^[0-9a-f]{4,64}$/.test(digits) && imageId.replace(/^sha256:/, '').startsWith(digits);
}

/** As the engine lists it: without the default registry and folder, with a tag. */
function familiarName(reference: string): string {
  const short = reference.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
  return short.slice(short.lastIndexOf('/') + 1).includes(':') ? short : `${short}:latest`;
}
