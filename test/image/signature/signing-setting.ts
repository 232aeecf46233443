import type { Test } from 'tap';
import { parseDockerConfig } from '../../../image/registry/credentials.ts';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import { parsePublicKey } from '../../../image/signature/public-key.ts';
import { verifySignatures } from '../../../image/signature/verify-signatures.ts';
import type { SignatureRequest } from '../../../image/signature/verify-signatures.ts';
import type { SignatureEvidence } from '../../../policy/evidence.ts';
import { prepareCosign } from '../../component/cosign.ts';
import type { Cosign, CosignKey } from '../../component/cosign.ts';
import { REGISTRY_USER, startRegistry } from '../../component/registry.ts';
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
