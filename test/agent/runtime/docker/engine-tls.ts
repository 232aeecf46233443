import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** Certificates as the Docker manual makes them: ca.pem, server-cert.pem, server-key.pem, cert.pem, key.pem. */
export interface EngineCertificates {
  readonly directory: string;
  readonly pem: (name: string) => string;
}

/** An authority with a server for 127.0.0.1 and a client, made by openssl. */
export function makeCertificates(t: Test): EngineCertificates {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-engine-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-subj', '/CN=test CA', '-days', '2');
  const issue = (cert: string, keyFile: string, name: string, extensions: readonly string[]): void => {
    const ca = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem'];
    const added = extensions.flatMap((extension) => ['-addext', extension]);
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      keyFile,
      '-out',
      cert,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
      ...ca,
      ...added,
    );
  };
  issue('server-cert.pem', 'server-key.pem', 'engine', [
    'subjectAltName=IP:127.0.0.1',
    'basicConstraints=critical,CA:FALSE',
  ]);
  issue('cert.pem', 'key.pem', 'client', ['extendedKeyUsage=clientAuth', 'basicConstraints=critical,CA:FALSE']);
  return { directory, pem: (name) => readFileSync(join(directory, name), 'utf8') };
}
