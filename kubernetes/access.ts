import { constants, open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import * as s from '../posture/schema.ts';
import type { Address } from '../service/config/kind.ts';
import { errorCode } from '../service/files.ts';

/** The access to the API server is not configured correctly. `hint` says what to do. */
export class KubernetesAccessError extends Error {
  override readonly name = 'KubernetesAccessError';
  readonly code = 'kubernetes';
  readonly hint: string;

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.hint = hint;
  }
}

/** How an API server is reached. */
export interface KubernetesAccess {
  readonly address: Address;
  /** Prefix of every path; empty for most servers. */
  readonly basePath: string;
  /** Name that the certificate of the server must have, where it is not the host of the address. */
  readonly serverName?: string;
  /** Read for each request: service-account tokens and certificates are replaced while the program runs. */
  readonly credentials: () => Promise<KubernetesCredentials>;
}

/** What a request is authenticated with. PEM text. */
export interface KubernetesCredentials {
  readonly ca: string;
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where the kubelet mounts the credentials of a pod (kubernetes.io/docs: accessing the API from a pod). */
const POD_CREDENTIALS = '/var/run/secrets/kubernetes.io/serviceaccount';
const MAX_FILE_BYTES = 1024 * 1024;

/** Access with the service account of the pod that the program runs in. `directory` holds `ca.crt` and `token`. */
export function accessFromPod(address: Address, directory = POD_CREDENTIALS): KubernetesAccess {
  return {
    address,
    basePath: '',
    credentials: async () => ({
      ca: await readText(join(directory, 'ca.crt')),
      token: (await readText(join(directory, 'token'))).trim(),
    }),
  };
}

const text = s.withDefault(s.string('', MAX_FILE_BYTES), '');
const clusterSchema = s.object({
  server: text,
  'certificate-authority': text,
  'certificate-authority-data': text,
  'tls-server-name': text,
});
const userSchema = s.object({
  token: text,
  tokenFile: text,
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
});
const contextSchema = s.object({ cluster: text, user: text });
const kubeconfigSchema = s.object({
  'current-context': text,
  contexts: s.list(s.object({ name: text, context: contextSchema }), '', 1_000),
  clusters: s.list(s.object({ name: text, cluster: clusterSchema }), '', 1_000),
  users: s.list(s.object({ name: text, user: userSchema }), '', 1_000),
});

/**
 * Access by the current context of a kubeconfig file: a CA, and a token or a client certificate. Credential plug-ins
 * (`exec`, `auth-provider`) are not run. Throws {@link KubernetesAccessError} for a file that cannot be used.
 */
export async function accessFromKubeconfig(path: string): Promise<KubernetesAccess> {
  const content = await readText(path).catch((error: unknown) => {
    throw unusable(path, errorCode(error), error);
  });
  const parsed = kubeconfigSchema.parse(parseYaml(path, content));
  // The problem names a field and quotes nothing of the content, which holds keys.
  if (!parsed.ok) throw unusable(path, parsed.problem);
  const find = <E extends { readonly name: string }>(list: readonly E[], name: string, what: string): E => {
    const entry = list.find((each) => each.name === name);
    if (entry === undefined) throw unusable(path, `it has no ${what} for its current context`);
    return entry;
  };
  const { contexts, clusters, users, 'current-context': current } = parsed.value;
  const { context } = find(contexts, current, 'context');
  const { cluster } = find(clusters, context.cluster, 'cluster');
  const { user } = find(users, context.user, 'user');
  const url = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined;
  if (url?.protocol !== 'https:') throw unusable(path, 'its server is not an https:// URL');
  const load = async (data: string, file: string): Promise<string> => {
    if (data !== '') return Buffer.from(data, 'base64').toString('latin1');
    return file === '' ? '' : readText(resolve(dirname(path), file));
  };
  const access: KubernetesAccess = {
    address: { host: url.hostname.replaceAll(/[[\]]/g, ''), port: Number(url.port || 443) },
    basePath: url.pathname.replace(/\/$/, ''),
    ...(cluster['tls-server-name'] === '' ? {} : { serverName: cluster['tls-server-name'] }),
    credentials: async () => {
      const token = user.token === '' ? (await load('', user.tokenFile)).trim() : user.token;
      const cert = await load(user['client-certificate-data'], user['client-certificate']);
      const key = await load(user['client-key-data'], user['client-key']);
      return {
        ca: await load(cluster['certificate-authority-data'], cluster['certificate-authority']),
        ...(token === '' ? {} : { token }),
        ...(cert === '' || key === '' ? {} : { cert, key }),
      };
    },
  };
  const { ca, token, cert } = await access.credentials().catch((error: unknown) => {
    throw unusable(path, errorCode(error), error);
  });
  if (ca === '') throw unusable(path, 'it names no certificate authority of the API server');
  if (token === undefined && cert === undefined)
    throw unusable(path, 'its user has neither a token nor a client certificate');
  return access;
}

function parseYaml(path: string, content: string): unknown {
  try {
    // Aliases could make a small file large.
    return parse(content, { maxAliasCount: 0 }) as unknown;
  } catch (error) {
    throw unusable(path, 'it is not YAML', error);
  }
}

/** Reads a regular file of at most 1 MiB; mounted secrets are links, so links are followed. Rejects with the reason. */
async function readText(path: string): Promise<string> {
  // Non-blocking: a FIFO in its place must not stop the program.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    if (size > MAX_FILE_BYTES) throw new Error(`${path} is larger than 1 MiB`);
    const buffer = Buffer.alloc(MAX_FILE_BYTES);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function unusable(path: string, reason: string, cause?: unknown): KubernetesAccessError {
  return new KubernetesAccessError(
    `the kubeconfig ${path} cannot be used: ${reason}`,
    'correct it, or start with --kubernetes off',
    cause,
  );
}
