import { observed, unreadable } from '../observed.ts';
import { MAX_SECRET_VARIABLES, MAX_VARIABLE_NAME } from '../redaction/secret-variables.ts';
import * as s from '../schema.ts';

/** Where setuid and setgid files come from, for evidence. */
export const IMAGE_FILES = 'files of the image';
/** Setuid and setgid files of an image that are kept. */
export const MAX_SETUID_FILES = 256;

/** The setuid and setgid files of an image. */
export const setuidFilesSchema = s.object({
  files: s.list(
    s.object({
      path: s.string('absolute in the image', 1024),
      mode: s.shownAs('mode', s.integer('permission bits', 0, 0o7777)),
    }),
    'regular files, sorted by path',
    MAX_SETUID_FILES,
  ),
  missing: s.string('why there may be others; empty: these are all', 1024),
});
/** See {@link setuidFilesSchema}. */
export type SetuidFilesFact = s.Infer<typeof setuidFilesSchema>;

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
    environmentSecrets: observed(
      s.list(s.string('', MAX_VARIABLE_NAME), '', MAX_SECRET_VARIABLES),
      'names of the variables of Config.Env whose value is a secret by its name or form, sorted; no value is kept; absent: the image defines no environment',
    ),
    exposedPorts: s.withDefault(
      observed(
        s.list(s.string('`80/tcp`', 32), '', 1024),
        'Config.ExposedPorts; absent where the runtime does not give it',
      ),
      unreadable('inspect Config.ExposedPorts', 'not recorded'),
    ),
    setuidFiles: observed(
      setuidFilesSchema,
      'setuid and setgid files; absent: nobody looks at the files of images, as in a scan',
    ),
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
