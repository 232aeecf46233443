import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** One image that a running container uses. */
export const imageSchema = s.object(
  {
    id: s.string('sha256:… of the configuration', 128),
    runtime: s.string('name of the container runtime: `docker`', 32),
    name: s.string('first tag or digest reference, otherwise the short id', 1024),
    tags: s.list(s.string('', 1024), 'RepoTags: `shop/db:16`', 1024),
    digests: s.list(s.string('', 1024), 'repository digests', 1024),
    createdAt: s.string('RFC 3339', 64),
    user: s.string('Config.User', 256),
    healthcheck: s.list(s.string('', 4096), 'Config.Healthcheck.Test; empty: none defined', 64),
    sources: s.record(s.string('', 128), 'where the runtime gives user, health check and tags, by field', 16),
    history: observed(
      s.list(
        s.string(
          'build step; `[redacted]` stands for a secret, `[omitted]` for any other value of ENV or ARG, none of which is kept',
          8192,
        ),
        '',
        1024,
      ),
      'build steps, oldest first',
    ),
  },
  'an image in use',
);
/** See {@link imageSchema}. */
export type ImageFact = s.Infer<typeof imageSchema>;

/** Images in use; unreadable where the runtime could not be asked. */
export const imagesSchema = observed(s.list(imageSchema, '', 10_000), 'images that running containers use');
/** See {@link imagesSchema}. */
export type ImagesFact = s.Infer<typeof imagesSchema>;

/** Names the place where the runtime gives this value of an image, for evidence. */
export function imageSourceOf(
  { id, runtime, sources }: Pick<ImageFact, 'id' | 'runtime' | 'sources'>,
  field: 'user' | 'healthcheck' | 'tags',
): string {
  return `${sources[field] ?? `${runtime} ${field}`} of ${id}`;
}
