import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { issueCertificate } from '../../service/tls/issue.ts';

/** Why there is no registry here; false where there is. For the `skip` option of a test. */
export const noRegistry: string | false =
  spawnSync('docker-registry', ['--version']).status === 0 ? false : 'no docker-registry';

/** The user that a registry with a password lets in. */
export const REGISTRY_USER = { username: 'plimsoll', password: 'test-password' };
/** The same for htpasswd: bcrypt, made with `htpasswd -nbB`. */
const HTPASSWD = 'plimsoll:$2y$05$JVtkIvw1p3ie8l3JwlGaa.R8m..HT3uJaKET2Q1IUwlkKj/fzFm1m\n';

/** What a test's registry asks for. */
export interface RegistryForm {
  readonly tls?: boolean;
  readonly password?: boolean;
  /** Address of this machine that it listens on; default: loopback. */
  readonly address?: string;
  /** Further environment of docker-registry, such as `REGISTRY_AUTH_TOKEN_REALM`. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The registry of the distribution project, on loopback, with a directory of its own. */
export interface TestRegistry {
  /** `localhost:PORT`, or the address with the port */
  readonly host: string;
  /** Authority of its certificate in PEM; empty without TLS. */
  readonly ca: string;
  /** File of that authority. */
  readonly caFile: string;
  readonly directory: string;
  /** Where it keeps blobs and manifests. */
  readonly storage: string;
  /** Sends a request with the user's password; resolves to status, headers and body. */
  readonly send: (method: string, path: string, body?: Sent) => Promise<Received>;
  readonly pushBlob: (repository: string, content: Buffer) => Promise<PushedBlob>;
  /** Pushes a manifest under a tag or its digest; resolves to its digest. */
  readonly pushManifest: (repository: string, reference: string, manifest: object, type?: string) => Promise<string>;
  /** Pushes an image of one layer with the text; resolves to the digest of its manifest. */
  readonly pushImage: (repository: string, tag: string, text: string) => Promise<string>;
}

/** A body with its type. */
export interface Sent {
  readonly type: string;
  readonly content: Buffer;
}

/** A response. */
export interface Received {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | readonly string[]>;
  readonly body: Buffer;
}

/** A blob in the form of a descriptor. */
export interface PushedBlob {
  readonly digest: string;
  readonly size: number;
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

/** Starts one; it is gone when the test is over. */
export async function startRegistry(t: Test, form: RegistryForm = {}): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-registry-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content, { mode: 0o600 });
    return join(directory, name);
  };
  const config = file('config.yml', 'version: 0.1\nlog:\n  level: info\nstorage:\n  delete:\n    enabled: true\n');
  const storage = join(directory, 'storage');
  const environment: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    OTEL_TRACES_EXPORTER: 'none',
    REGISTRY_HTTP_ADDR: `${form.address ?? '127.0.0.1'}:0`,
    REGISTRY_HTTP_SECRET: 'test',
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: storage,
    ...form.environment,
  };
  let ca = '';
  let caFile = '';
  if (form.tls === true) {
    const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
    const names = ['localhost', form.address ?? '127.0.0.1'];
    const leaf = await issueCertificate({ kind: 'server', names }, authority, Date.now());
    ca = authority.certificatePem;
    caFile = file('ca.pem', ca);
    environment['REGISTRY_HTTP_TLS_CERTIFICATE'] = file('cert.pem', leaf.certificatePem);
    environment['REGISTRY_HTTP_TLS_KEY'] = file('key.pem', leaf.keyPem);
  }
  if (form.password === true) {
    environment['REGISTRY_AUTH_HTPASSWD_REALM'] = 'test';
    environment['REGISTRY_AUTH_HTPASSWD_PATH'] = file('htpasswd', HTPASSWD);
  }
  const port = await launch(t, { config, environment, directory });
  const host = `${form.address ?? 'localhost'}:${port}`;
  const send = sender({ host: form.address ?? '127.0.0.1', port, ca, hasPassword: form.password === true });
  const pushBlob = async (repository: string, content: Buffer): Promise<PushedBlob> => {
    const digest = digestOf(content);
    const begun = await send('POST', `/v2/${repository}/blobs/uploads/`);
    const place = new URL(String(begun.headers['location']), `http://${host}`);
    place.searchParams.set('digest', digest);
    const put = await send('PUT', `${place.pathname}${place.search}`, { type: 'application/octet-stream', content });
    if (put.status !== 201) throw new Error(`blob: HTTP ${String(put.status)} ${put.body.toString()}`);
    return { digest, size: content.length };
  };
  const pushManifest = async (
    repository: string,
    reference: string,
    manifest: object,
    type = OCI_MANIFEST,
  ): Promise<string> => {
    const content = Buffer.from(JSON.stringify(manifest));
    const name = reference === '' ? digestOf(content) : reference;
    const put = await send('PUT', `/v2/${repository}/manifests/${name}`, { type, content });
    if (put.status !== 201) throw new Error(`manifest: HTTP ${String(put.status)} ${put.body.toString()}`);
    return digestOf(content);
  };
  const pushImage = async (repository: string, tag: string, text: string): Promise<string> => {
    const layer = await pushBlob(repository, Buffer.from(text));
    const configuration = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.digest] } };
    const blob = await pushBlob(repository, Buffer.from(JSON.stringify(configuration)));
    return pushManifest(repository, tag, {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...blob },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
    });
  };
  return { host, ca, caFile, directory, storage, send, pushBlob, pushManifest, pushImage };
}

/** `sha256:…` of bytes, by node:crypto. */
export function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

interface Launch {
  readonly config: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
}

/** Starts the program and waits for its port, which it logs. */
async function launch(t: Test, { config, environment, directory }: Launch): Promise<string> {
  const child = spawn('docker-registry', ['serve', config], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  let said = '';
  const listening = new Promise<string>((resolve) => {
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-8000);
      const port = /listening on (?:[\d.]+|\[::\]):(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(port);
    });
  });
  const port = await Promise.race([
    listening,
    ended.then(() => undefined),
    new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 15_000).unref()),
  ]);
  if (port === undefined) throw new Error(`docker-registry did not start: ${said}`);
  return port;
}

interface Target {
  readonly host: string;
  readonly port: string;
  readonly ca: string;
  readonly hasPassword: boolean;
}

function sender({ host, port, ca, hasPassword }: Target): TestRegistry['send'] {
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const { username, password } = REGISTRY_USER;
      const options = {
        host,
        port,
        path,
        method,
        agent: false,
        ...(ca === '' ? {} : { ca }),
        ...(hasPassword ? { auth: `${username}:${password}` } : {}),
        headers: {
          accept: `${OCI_MANIFEST}, ${OCI_INDEX}, */*`,
          'content-length': body?.content.length ?? 0,
          ...(body === undefined ? {} : { 'content-type': body.type }),
        },
      };
      const sent = (ca === '' ? requestPlain : requestSecure)(options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) });
        });
      });
      sent.on('error', reject);
      sent.end(body?.content);
    });
}
