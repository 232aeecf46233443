import { open } from 'node:fs/promises';
import * as s from '../../posture/schema.ts';
import { canonicalRegistry } from '../../policy/reference.ts';
import { errorCode } from '../../service/files.ts';

/** How we identify ourselves to a registry. */
export type RegistryCredentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** A refresh token for the token server of the registry (OAuth 2). */
  | { readonly kind: 'identityToken'; readonly token: string }
  /** A token for the registry itself. */
  | { readonly kind: 'registryToken'; readonly token: string };

/** Credentials for one repository. `unsupported`: there are some, which we cannot use, with the reason. */
export type CredentialLookup =
  | { readonly state: 'found'; readonly credentials: RegistryCredentials }
  | { readonly state: 'absent' }
  | { readonly state: 'unsupported'; readonly reason: string };

/** Finds the credentials for a repository. */
export type CredentialSource = (registry: string, path: string) => CredentialLookup;

/** Outcome of reading a configuration; `reason` names the place and quotes nothing. */
export type ParsedDockerConfig =
  { readonly ok: true; readonly credentials: CredentialSource } | { readonly ok: false; readonly reason: string };

const MAX_CONFIG_BYTES = 1024 * 1024;
const MAX_SECRET = 16 * 1024;

const secret = s.withDefault(s.string('', MAX_SECRET), '');
const configSchema = s.object({
  auths: s.withDefault(
    s.record(
      s.object({ auth: secret, username: secret, password: secret, identitytoken: secret, registrytoken: secret }),
      '',
      1000,
    ),
    {},
  ),
  credsStore: secret,
  credHelpers: s.withDefault(s.record(s.string('', 256), '', 1000), {}),
});

/** No credentials for anyone. */
export const anonymous: CredentialSource = () => ({ state: 'absent' });

/**
 * The credentials of a Docker configuration (`config.json` of Docker, `auth.json` of Podman, the content of a
 * `kubernetes.io/dockerconfigjson` secret). Keys are registries, with a scheme or `/v1/` as Docker writes them, or
 * repositories and namespaces as Podman does; the longest one that fits wins. Credential helpers are programs, which
 * we do not start: they are `unsupported`.
 */
export function parseDockerConfig(text: string): ParsedDockerConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, reason: 'it is not valid JSON' };
  }
  const parsed = configSchema.parse(json);
  if (!parsed.ok) return { ok: false, reason: parsed.problem };
  const { auths, credsStore, credHelpers } = parsed.value;
  const entries = Object.entries(auths).map(([key, entry]) => ({ place: splitKey(key), entry }));
  const helped = new Set(Object.keys(credHelpers).map((key) => splitKey(key).registry));
  return {
    ok: true,
    credentials: (registry, path) => {
      const host = canonicalRegistry(registry);
      const fitting = entries
        .filter(({ place }) => place.registry === host && isBelow(path, place.path))
        .sort((a, b) => b.place.path.length - a.place.path.length);
      for (const { entry } of fitting) {
        const credentials = credentialsOf(entry);
        if (credentials !== undefined) return { state: 'found', credentials };
      }
      if (helped.has(host) || credsStore !== '')
        return {
          state: 'unsupported',
          reason:
            'the Docker configuration names a credential helper, which is not supported: add the credentials to auths',
        };
      return { state: 'absent' };
    },
  };
}

/** Reads a Docker configuration of at most 1 MiB; a file that does not exist holds no credentials. Never rejects. */
export async function loadDockerConfig(path: string): Promise<ParsedDockerConfig> {
  try {
    const file = await open(path, 'r');
    try {
      if (!(await file.stat()).isFile()) return { ok: false, reason: `${path} is not a file` };
      const buffer = Buffer.alloc(MAX_CONFIG_BYTES + 1);
      let bytes = 0;
      for (let read = -1; read !== 0 && bytes < buffer.length; bytes += read)
        ({ bytesRead: read } = await file.read(buffer, bytes, buffer.length - bytes));
      if (bytes > MAX_CONFIG_BYTES) return { ok: false, reason: `${path} is larger than 1 MiB` };
      const parsed = parseDockerConfig(buffer.toString('utf8', 0, bytes));
      return parsed.ok ? parsed : { ok: false, reason: `${path}: ${parsed.reason}` };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { ok: true, credentials: anonymous };
    return { ok: false, reason: `${path} cannot be read: ${errorCode(error)}` };
  }
}

function splitKey(key: string): { readonly registry: string; readonly path: string } {
  const plain = key.replace(/^https?:\/\//, '').replace(/\/v[12]\/?$/, '');
  const slash = plain.indexOf('/');
  const registry = canonicalRegistry(slash < 0 ? plain : plain.slice(0, slash));
  return { registry, path: slash < 0 ? '' : plain.slice(slash + 1).replace(/\/+$/, '') };
}

function isBelow(path: string, prefix: string): boolean {
  return prefix === '' || path === prefix || path.startsWith(`${prefix}/`);
}

function credentialsOf(entry: s.Infer<typeof configSchema>['auths'][string]): RegistryCredentials | undefined {
  if (entry.identitytoken !== '') return { kind: 'identityToken', token: entry.identitytoken };
  if (entry.registrytoken !== '') return { kind: 'registryToken', token: entry.registrytoken };
  const decoded = Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = decoded.indexOf(':');
  if (colon > 0) return { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  if (entry.username === '') return undefined;
  return { kind: 'password', username: entry.username, password: entry.password };
}
