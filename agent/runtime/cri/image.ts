import { CRI } from '../../../proto/cri.ts';
import type { ImageStatusResponse } from '../../../proto/cri.ts';
import { IMAGE_FILES } from '../../../posture/fact/image.ts';
import type { ImageFact } from '../../../posture/fact/image.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import { secretVariables } from '../../../posture/redaction/secret-variables.ts';
import { clip } from '../../inspector/clip.ts';
import { toHistory } from '../docker/image.ts';
import { replyFailure } from '../runtime.ts';
import type { Reply } from '../runtime.ts';
import { imageIdOf, isImageReference } from './container.ts';
import type { CriCall } from './cri-client.ts';
import { imageInfoSchema, parseInfo } from './runtime-spec.ts';

/** An image by its id, `sha256:…`. */
export async function inspectImage(call: CriCall, id: string, runtime: () => string): Promise<Reply<ImageFact>> {
  if (!isImageReference(id)) return replyFailure('failed', 'not an id of an image', CRI.imageStatus.name);
  let reply = await call(CRI.imageStatus, id, id);
  // CRI-O writes its ids without the algorithm.
  const bare = id.replace(/^sha256:/, '');
  if (reply.ok && isMissing(reply.value) && bare !== id) reply = await call(CRI.imageStatus, bare, id);
  if (!reply.ok) return reply;
  const { source, value } = reply;
  if (isMissing(value)) return replyFailure('notFound', 'no such image', source);
  if (imageIdOf(value.image?.id) !== id)
    return replyFailure('malformed', 'the response is about another image', source);
  return { ok: true, value: toImage(value, { id, source, runtime: runtime() }), source };
}

function isMissing({ image }: ImageStatusResponse): boolean {
  return image === null || image === undefined;
}

/** The runtime does not read the health check of an image, so there is no source for it. */
const SOURCES: ImageFact['sources'] = Object.freeze({
  user: 'ImageStatus uid, username',
  tags: 'ImageStatus repo_tags',
});

function toImage(
  { image, info }: ImageStatusResponse,
  { id, source, runtime }: { readonly id: string; readonly source: string; readonly runtime: string },
): ImageFact {
  const parsed = parseInfo(info?.['info'], imageInfoSchema);
  const spec = parsed.ok ? parsed.value.imageSpec : null;
  const problem = parsed.ok ? 'the runtime does not give the configuration of the image' : parsed.problem;
  const tags = named(image?.repoTags ?? []);
  const digests = named(image?.repoDigests ?? []);
  const uid = image?.uid?.value;
  const user = image?.username || (uid === null || uid === undefined ? '' : String(uid));
  return {
    id,
    runtime,
    name: tags[0] ?? digests[0] ?? id.replace(/^sha256:/, '').slice(0, 12),
    tags,
    digests,
    createdAt: clip(spec?.created ?? '', 64),
    user: clip(user || (spec?.config?.User ?? ''), 256),
    healthcheck: [],
    environmentSecrets:
      spec === null
        ? unreadable(source, problem)
        : secretVariables(spec.config?.Env ?? null, `${source} imageSpec.config.Env`),
    exposedPorts: absent('not part of the CRI'),
    setuidFiles: absent(IMAGE_FILES),
    sources: SOURCES,
    history:
      spec === null
        ? unreadable(source, problem)
        : // Newest first, as toHistory expects them.
          seen(toHistory(spec.history.map((step) => ({ CreatedBy: step.created_by })).toReversed()), source),
  };
}

function named(references: readonly string[]): readonly string[] {
  return references.slice(0, 1024).map((reference) => clip(reference, 1024));
}
