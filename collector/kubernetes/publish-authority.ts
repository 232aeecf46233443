import * as s from '../../posture/schema.ts';
import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { ConfigMapReference } from '../../service/config/kind.ts';
import type { Logger } from '../../service/log.ts';
import type { KubernetesApi } from '../../kubernetes/api-client.ts';

/** What is published, and where. */
export interface AuthorityPublication {
  readonly api: KubernetesApi;
  /** Must exist: the right to create ConfigMaps cannot be limited to one name. */
  readonly configMap: ConfigMapReference;
  /** The CA certificates that agents have to trust at that moment, in PEM. */
  readonly authorities: () => string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Ends the publication. */
  readonly signal: AbortSignal;
}

/** Someone may have edited the ConfigMap, or applied it anew. */
const REPEAT_MS = 10 * 60_000;
const BACKOFF = Object.freeze({ baseMs: 1_000, capMs: 60_000 });
/** Only that the API server accepted the patch counts. */
const anyObject = s.object({});

/**
 * Keeps the CA of the fleet in the key `ca.crt` of a ConfigMap, from which agents in pods read it (`join-ca-file`), until
 * `signal` aborts. Failures are logged and retried.
 */
export async function publishAuthority(publication: AuthorityPublication): Promise<void> {
  const { api, configMap, authorities, clock, random, log, signal } = publication;
  const path = `/api/v1/namespaces/${configMap.namespace}/configmaps/${configMap.name}`;
  let published = '';
  for (let failures = 0; !signal.aborted;) {
    const pem = authorities();
    const patched = await api.patch(path, { data: { 'ca.crt': pem } }, anyObject);
    failures = patched.ok ? 0 : failures + 1;
    if (!patched.ok) log.warn({ configMap, reason: patched.reason }, 'the CA could not be published to Kubernetes');
    else if (pem !== published) log.info({ configMap }, 'the CA was published to Kubernetes');
    published = patched.ok ? pem : published;
    await sleep(clock, failures === 0 ? REPEAT_MS : BACKOFF.baseMs + fullJitter(failures, BACKOFF, random), signal);
  }
}
