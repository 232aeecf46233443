import type { Test } from 'tap';
import { parseDockerConfig } from '../../../image/registry/credentials.ts';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import { parsePublicKey } from '../../../image/signature/public-key.ts';
import { verifySignatures } from '../../../image/signature/verify-signatures.ts';
import type { SignatureRequest } from '../../../image/signature/verify-signatures.ts';
import type { SignatureEvidence } from '../../../policy/evidence.ts';
import { prepareCosign } from '../../component/cosign.ts';
import type { Cosign, CosignKey } from '../../component/cosign.ts';
import { digestOf, OCI_INDEX, OCI_MANIFEST, REGISTRY_USER, startRegistry } from '../../component/registry.ts';
import type { TestRegistry } from '../../component/registry.ts';

/** A registry with TLS and a password, cosign that is logged in to it, and our verifier. */
export interface Setting {
  readonly registry: TestRegistry;
  readonly cosign: Cosign;
  /** The result for one key. */
  readonly verify: (
    key: CosignKey | string,
    image: string,
    options?: Partial<SignatureRequest> & { readonly annotations?: Readonly<Record<string, string>> },
  ) => Promise<SignatureEvidence['result']>;
}

/** Prepares them; they are gone when the test is over. */
export async function prepareSigning(t: Test): Promise<Setting> {
  const registry = await startRegistry(t, { tls: true, password: true });
  const auths = { [registry.host]: REGISTRY_USER };
  const config = parseDockerConfig(JSON.stringify({ auths }));
  if (!config.ok) throw new Error(config.reason);
  const client = createRegistryClient({ registry: registry.host, ca: registry.ca, credentials: config.credentials });
  t.teardown(() => client.close());
  return {
    registry,
    cosign: prepareCosign(t, registry),
    verify: async (key, image, { annotations = {}, ...options } = {}) => {
      const parsed = parsePublicKey(typeof key === 'string' ? key : key.publicPem);
      if (!parsed.ok) throw new Error(parsed.reason);
      const [path = '', digest = ''] = image.split('@');
      const authorities = [{ id: 'test', kind: 'key', key: parsed.value, annotations } as const];
      const [evidence] = await verifySignatures({ client, path, digest, deadlineMs: 5000, authorities, ...options });
      return evidence?.result ?? { state: 'unknown', reason: 'no result' };
    },
  };
}

/** Makes the bundle the only manifest that refers to the image. */
export async function pushReferrer(registry: TestRegistry, image: string, bundle: string): Promise<void> {
  const [path = '', digest = ''] = image.split('@');
  const subject = (await registry.send('GET', `/v2/${path}/manifests/${digest}`)).body;
  const config = await registry.pushBlob(path, Buffer.from('{}'));
  const layer = await registry.pushBlob(path, Buffer.from(bundle));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', ...layer }],
    subject: { mediaType: OCI_MANIFEST, digest: digestOf(subject), size: subject.length },
  };
  const pushed = await registry.pushManifest(path, '', manifest);
  const entry = { mediaType: OCI_MANIFEST, digest: pushed, size: JSON.stringify(manifest).length };
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] };
  await registry.pushManifest(path, digest.replace(':', '-'), index, OCI_INDEX);
}
