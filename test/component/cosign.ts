import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { REGISTRY_USER } from './registry.ts';
import type { TestRegistry } from './registry.ts';

/** Why there is no cosign here; false where there is. For the `skip` option of a test. */
export const noCosign: string | false = spawnSync('cosign', ['version']).status === 0 ? false : 'no cosign';

/** The cosign command line with a directory of its own, and a login to the registry of the test. */
export interface Cosign {
  /** Runs it; rejects where it fails. */
  readonly run: (args: readonly string[], environment?: Readonly<Record<string, string>>) => Promise<string>;
  /** Makes a key pair; resolves to the private key's file and the public key in PEM. */
  readonly keyPair: (name: string) => Promise<CosignKey>;
  /** Signs `path@digest` with a key, without a transparency log. */
  readonly sign: (key: CosignKey, image: string, ...options: readonly string[]) => Promise<string>;
  readonly file: (name: string, content: string) => string;
}

/** A key pair. */
export interface CosignKey {
  readonly privateFile: string;
  readonly publicPem: string;
}

/** Prepares it; the directory is gone when the test is over. */
export function prepareCosign(t: Test, registry: TestRegistry): Cosign {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-cosign-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const auth = Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64');
  file('config.json', JSON.stringify({ auths: { [registry.host]: { auth } } }));
  const run: Cosign['run'] = async (args, environment = {}) => {
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      DOCKER_CONFIG: directory,
      COSIGN_PASSWORD: 'test',
      COSIGN_YES: 'true',
      ...(registry.caFile === '' ? {} : { SSL_CERT_FILE: registry.caFile }),
      ...environment,
    };
    const { stdout } = await promisify(execFile)('cosign', args, { cwd: directory, env, timeout: 30_000 });
    return stdout;
  };
  const keyOf = (name: string): CosignKey => ({
    privateFile: join(directory, `${name}.key`),
    publicPem: readFileSync(join(directory, `${name}.pub`), 'utf8'),
  });
  return {
    run,
    file,
    keyPair: async (name) => {
      await run(['generate-key-pair', '--output-key-prefix', name]);
      return keyOf(name);
    },
    sign: (key, image, ...options) =>
      run(['sign', '--key', key.privateFile, '--tlog-upload=false', ...options, `${registry.host}/${image}`]),
  };
}
