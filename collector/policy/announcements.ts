import { announcement } from '../../api/rollout.ts';
import type { Announcement } from '../../api/rollout.ts';
import { canonicalRegistry, parseReference } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import * as s from '../../posture/schema.ts';
import { openListFile } from '../enrollment/list-file.ts';

/** Images that somebody, such as a pipeline, announced as replacements of others. An announcement allows nothing. */
export interface Announcements {
  /** Stores an announcement; it is durable when the promise resolves. The oldest beyond 1,000 is forgotten. */
  readonly add: (one: Announcement) => Promise<void>;
  /** Images that replace one of these digests or the tag of the reference, in its repository; the newest first. */
  readonly replacing: (
    reference: ImageReference,
    digests: readonly string[],
  ) => readonly (Omit<ImageReference, 'mayBeId'> & { readonly digest: string })[];
}

const MAX_ANNOUNCEMENTS = 1000;

/** Opens the announcements at `path`. Throws StartError for a file that cannot be read or is damaged. */
export async function openAnnouncements(path: string): Promise<Announcements> {
  const file = await openListFile(path, s.list(announcement, '', MAX_ANNOUNCEMENTS));
  return {
    add: (one) => file.update((list) => [...list.slice(1 - MAX_ANNOUNCEMENTS), one]),
    replacing: (wanted, digests) =>
      file
        .all()
        .toReversed()
        .flatMap(({ reference, replaces }) => {
          const parsed = parseReference(reference);
          if (!parsed.ok || parsed.value.digest === undefined) return [];
          const { registry, path: repository, tag, digest } = parsed.value;
          if (repository !== wanted.path || canonicalRegistry(registry) !== canonicalRegistry(wanted.registry))
            return [];
          const replaced = replaces.length === 0 ? [tag] : replaces;
          const isReplaced = replaced.some(
            (one) => one !== undefined && (one === wanted.tag || one === wanted.digest || digests.includes(one)),
          );
          return isReplaced ? [{ registry, path: repository, ...(tag === undefined ? {} : { tag }), digest }] : [];
        }),
  };
}
