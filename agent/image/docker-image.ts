import { boolean, integer, list, object, string, withDefault } from '../../posture/schema.ts';
import type { Schema } from '../../posture/schema.ts';
import type { CallLimits, DockerModem } from '../runtime/docker/modem.ts';
import { parseReply } from '../runtime/docker/reply.ts';
import type { RawReply } from '../runtime/docker/reply.ts';
import type { Reply } from '../runtime/runtime.ts';

/** Bounds of one request about images. */
export const IMAGE_CALL_LIMITS: CallLimits = Object.freeze({ timeoutMs: 10_000, maxBytes: 4 * 1024 * 1024 });

/** What is read of `GET /images/REFERENCE/json`. */
export const IMAGE = object({
  Id: string('', 200),
  RootFS: object({ Layers: withDefault(list(string('', 200), '', 1_000), []) }),
});
/** What is read of `GET /containers/REFERENCE/json`. */
export const CONTAINER = object({
  Id: string('', 128),
  Image: string('', 200),
  State: object({ Running: boolean(), Pid: integer('', 0) }),
});
/** What is read of `GET /images/json`: the images of an engine without those between build steps. */
export const IMAGE_LIST = list(
  object({
    Id: string('', 200),
    RepoTags: withDefault(list(string('', 4096), '', 1_000), []),
    Created: withDefault(integer('seconds since 1970', 0), 0),
  }),
  '',
  10_000,
);
const INFO = object({ Driver: withDefault(string('', 100), ''), DockerRootDir: withDefault(string('', 4096), '') });

/** Sends one request to an engine. Never rejects for what the engine answers. */
export function askEngine<T>(modem: DockerModem, path: string, schema: Schema<T>): Promise<Reply<T>> {
  return new Promise((resolve, reject) => {
    modem.dial({ path, method: 'GET' }, (error, value) => {
      if (error !== null) reject(error);
      else resolve(parseReply(value as RawReply, schema, path));
    });
  });
}

/** Storage drivers whose layers are read in place: that of dockerd, and that of Podman. */
export type StorageDriver = 'overlay2' | 'overlay';

/**
 * The data directory of a dockerd or Podman that keeps the layers of its images where `findDockerLayers` or
 * `findStorageLayers` finds them; a reason for an engine that does not, as with another storage driver or the image store
 * of containerd.
 */
export async function dataRootOf(
  modem: DockerModem,
): Promise<
  | { readonly ok: true; readonly dataRoot: string; readonly driver: StorageDriver }
  | { readonly ok: false; readonly reason: string }
> {
  const info = await askEngine(modem, '/info', INFO);
  if (!info.ok) return { ok: false, reason: info.reason };
  const { Driver, DockerRootDir } = info.value;
  if ((Driver === 'overlay2' || Driver === 'overlay') && DockerRootDir.startsWith('/'))
    return { ok: true, dataRoot: DockerRootDir, driver: Driver };
  return {
    ok: false,
    reason:
      'only the layers of dockerd with the storage driver overlay2, and of Podman with overlay, are read in place',
  };
}
