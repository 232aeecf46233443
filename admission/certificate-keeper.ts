import * as s from '../posture/schema.ts';
import type { KubernetesApi, KubernetesResult } from '../kubernetes/api-client.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import { errorCode } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import type { Issued } from '../service/tls/issue.ts';
import { ensureLeaf, nextAuthority, signingAuthority, trustBundle } from './webhook-authority.ts';
import type { WebhookAuthority } from './webhook-authority.ts';

/** Where the authority is kept, and who must trust it. */
export interface CertificateKeeperOptions {
  readonly api: KubernetesApi;
  /** The Secret with the authority. It must exist: the right to create Secrets cannot be limited to one name. */
  readonly secret: { readonly namespace: string; readonly name: string };
  /** Name of the ValidatingWebhookConfiguration and the MutatingWebhookConfiguration. One of them may be absent. */
  readonly configuration: string;
  /** Names in the certificate: `SERVICE.NAMESPACE.svc`. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called with the authorities in PEM, before they are published as `caBundle`. */
  readonly onBundle?: (bundle: string) => void;
  /** Default: {@link CHECK_MS}. */
  readonly checkMs?: number;
}

/** A certificate for the webhook that is kept valid. */
export interface CertificateKeeper {
  /**
   * Calls back with each new certificate and the authorities that replicas are trusted by, in PEM; the first time at
   * once. Runs until the signal aborts.
   */
  readonly run: (onCertificate: (leaf: Issued, authorities: string) => void) => Promise<void>;
}

/** A webhook configuration that was applied again has no authority, and until it has, no pod is created. */
const CHECK_MS = 5_000;
/** Tries where another replica changed an object at the same time. */
const TRIES = 5;

const text = s.string('', 64 * 1024);
const secretSchema = s.object({
  metadata: s.object({ resourceVersion: text }),
  data: s.withDefault(s.record(text, '', 64), {}),
});
const configurationSchema = s.object({
  metadata: s.object({ resourceVersion: text }),
  webhooks: s.withDefault(s.list(s.unknown(), '', 64), []),
});
const anything = s.unknown();

const KINDS = ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'] as const;

/**
 * Keeps the certificate of the webhook: the authority is in a Secret that all replicas share, each replica makes itself
 * a certificate of 90 days, and the webhook configurations get the authority as `caBundle`. Changes carry the
 * `resourceVersion` that they are based on, so that replicas do not overwrite each other. While the API server does not
 * answer, the certificate in use stays.
 */
export function createCertificateKeeper(options: CertificateKeeperOptions): CertificateKeeper {
  const { clock, log, signal, names, onBundle = () => undefined, checkMs = CHECK_MS } = options;
  return {
    run: async (onCertificate) => {
      let leaf: Issued | undefined;
      while (!signal.aborted) {
        try {
          const authority = await ensureAuthority(options);
          const nowMs = clock.now();
          // Trust first: a certificate that the API server does not trust yet would refuse every pod.
          const bundle = trustBundle(authority);
          onBundle(bundle);
          for (const kind of KINDS) await publishBundle(options, kind, bundle);
          const next = await ensureLeaf(leaf, signingAuthority(authority, nowMs), { names, nowMs });
          if (next !== leaf) onCertificate(next, bundle);
          leaf = next;
        } catch (error) {
          log.warn({ code: errorCode(error), error }, 'the certificate of the webhook could not be checked');
        }
        await sleep(clock, checkMs, signal);
      }
    },
  };
}

async function ensureAuthority({ api, secret, clock, log }: CertificateKeeperOptions): Promise<WebhookAuthority> {
  const path = `/api/v1/namespaces/${secret.namespace}/secrets/${secret.name}`;
  for (let left = TRIES; ; left -= 1) {
    const { metadata, data } = required(await api.get(path, secretSchema));
    const authority = readAuthority(data, path);
    const changed = await nextAuthority(authority, clock.now());
    if (changed === undefined && authority !== undefined) return authority;
    const body = { metadata: { resourceVersion: metadata.resourceVersion }, data: changed && writeAuthority(changed) };
    const patched = await api.patch(path, body, anything);
    if (patched.ok && changed !== undefined) {
      log.info({ isRotating: changed.next !== undefined }, 'authority of the webhook changed');
      return changed;
    }
    // Another replica was first.
    if (patched.ok || patched.code !== 'conflict' || left <= 1) required(patched);
  }
}

function readAuthority(data: Readonly<Record<string, string>>, path: string): WebhookAuthority | undefined {
  const field = (name: string): string => Buffer.from(data[name] ?? '', 'base64').toString('latin1');
  const current = { certificatePem: field('ca.crt'), keyPem: field('ca.key') };
  if (current.certificatePem === '' && current.keyPem === '') return undefined;
  if (current.certificatePem === '' || current.keyPem === '')
    throw failure('malformed', `${path} holds half of an authority: remove ca.crt and ca.key from it`);
  const next = { certificatePem: field('next.crt'), keyPem: field('next.key'), sinceMs: Number(field('next-since')) };
  const isWhole = next.certificatePem !== '' && next.keyPem !== '' && Number.isSafeInteger(next.sinceMs);
  return isWhole ? { current, next } : { current };
}

/** Null removes a field (RFC 7386). */
function writeAuthority({ current, next }: WebhookAuthority): Readonly<Record<string, string | null>> {
  const encode = (value: string): string => Buffer.from(value, 'latin1').toString('base64');
  return {
    'ca.crt': encode(current.certificatePem),
    'ca.key': encode(current.keyPem),
    'next.crt': next === undefined ? null : encode(next.certificatePem),
    'next.key': next === undefined ? null : encode(next.keyPem),
    'next-since': next === undefined ? null : encode(String(next.sinceMs)),
  };
}

async function publishBundle(
  { api, configuration, log }: CertificateKeeperOptions,
  kind: (typeof KINDS)[number],
  bundle: string,
): Promise<void> {
  const path = `/apis/admissionregistration.k8s.io/v1/${kind}/${configuration}`;
  const caBundle = Buffer.from(bundle, 'latin1').toString('base64');
  for (let left = TRIES; ; left -= 1) {
    const got = await api.get(path, configurationSchema);
    if (!got.ok && got.code === 'notFound') return;
    const { metadata, webhooks } = required(got);
    if (webhooks.every((webhook) => bundleOf(webhook) === caBundle)) return;
    const body = {
      metadata: { resourceVersion: metadata.resourceVersion },
      webhooks: webhooks.map((webhook) => withBundle(webhook, caBundle)),
    };
    const patched = await api.patch(path, body, anything);
    if (patched.ok) return log.info({ kind }, 'authority of the webhook published');
    if (patched.code !== 'conflict' || left <= 1) required(patched);
  }
}

function bundleOf(webhook: unknown): unknown {
  return clientConfigOf(webhook)['caBundle'];
}

function withBundle(webhook: unknown, caBundle: string): object {
  return { ...(webhook as object), clientConfig: { ...clientConfigOf(webhook), caBundle } };
}

function clientConfigOf(webhook: unknown): Readonly<Record<string, unknown>> {
  const { clientConfig } = (webhook ?? {}) as { readonly clientConfig?: unknown };
  return typeof clientConfig === 'object' && clientConfig !== null ? (clientConfig as Record<string, unknown>) : {};
}

function required<T>(result: KubernetesResult<T>): T {
  if (result.ok) return result.value;
  throw failure(result.code, result.reason);
}

function failure(code: string, reason: string): Error {
  return Object.assign(new Error(reason), { code });
}
