import * as s from '../../../posture/schema.ts';
import { IMAGE_FILES } from '../../../posture/fact/image.ts';
import type { ImageFact } from '../../../posture/fact/image.ts';
import { absent, seen } from '../../../posture/observed.ts';
import { secretVariables } from '../../../posture/redaction/secret-variables.ts';
import { redactBuildStep, redactWords } from '../../../posture/redaction/redact.ts';
import { clip } from '../../inspector/clip.ts';
import type { EngineName } from './reply.ts';

const text = s.withDefault(s.string(), '');
const texts = s.withDefault(s.list(s.string()), []);
const MAX_STEPS = 1024;
const MAX_PORTS = 1024;
const MAX_STEP_LENGTH = 8192;
/** Longer texts are cut before they are redacted, further from the start than what is kept of them afterwards. */
const MAX_READ_LENGTH = 64 * 1024;

/** What this program reads of `GET /images/ID/json`. Newer engines leave out what is empty. */
export const imageSchema = s.object({
  Id: s.string('', 128),
  RepoTags: texts,
  RepoDigests: texts,
  Created: text,
  Config: s.nullable(
    s.object({
      User: text,
      Env: s.nullable(s.list(s.string())),
      Healthcheck: s.nullable(s.object({ Test: texts })),
      ExposedPorts: s.withDefault(s.record(s.unknown()), {}),
    }),
  ),
});

/** What this program reads of `GET /images/ID/history`. */
export const historySchema = s.list(s.object({ CreatedBy: text }), '', 100_000);

const SOURCES: ImageFact['sources'] = Object.freeze({
  user: 'inspect Config.User',
  healthcheck: 'inspect Config.Healthcheck.Test',
  tags: 'inspect RepoTags',
});

/** An image without its history. */
export function toImage(answer: s.Infer<typeof imageSchema>, engine: EngineName): Omit<ImageFact, 'history'> {
  const tags = named(answer.RepoTags);
  const digests = named(answer.RepoDigests);
  return {
    id: answer.Id,
    runtime: engine,
    name: tags[0] ?? digests[0] ?? shortId(answer.Id),
    tags,
    digests,
    createdAt: clip(answer.Created, 64),
    user: clip(answer.Config?.User ?? '', 256),
    healthcheck: redactWords(
      (answer.Config?.Healthcheck?.Test ?? []).slice(0, 64).map((word) => clip(word, MAX_READ_LENGTH)),
    ).map((word) => clip(word, 4096)),
    environmentSecrets: secretVariables(answer.Config?.Env ?? null, 'inspect Config.Env'),
    exposedPorts: seen(
      Object.keys(answer.Config?.ExposedPorts ?? {})
        .slice(0, MAX_PORTS)
        .map((port) => clip(port, 32)),
      'inspect Config.ExposedPorts',
    ),
    setuidFiles: absent(IMAGE_FILES),
    sources: SOURCES,
  };
}

/** Build steps, oldest first, secrets taken out. Of an absurd number of steps the newest are kept. */
export function toHistory(answer: s.Infer<typeof historySchema>): readonly string[] {
  // The engine answers with the newest first.
  return answer
    .slice(0, MAX_STEPS)
    .map(({ CreatedBy }) => clip(redactBuildStep(clip(CreatedBy, MAX_READ_LENGTH)), MAX_STEP_LENGTH))
    .toReversed();
}

/** An image that lost its name has `<none>:<none>`. */
function named(references: readonly string[]): readonly string[] {
  return references
    .filter((reference) => !reference.includes('<none>'))
    .slice(0, 1024)
    .map((reference) => clip(reference, 1024));
}

/** The twelve digits that the command line shows. */
function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
