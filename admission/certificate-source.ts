import { accessFromKubeconfig, accessFromPod } from '../kubernetes/access.ts';
import { createKubernetesApi } from '../kubernetes/api-client.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import type { Settings } from '../service/config/settings.ts';
import { errorCode } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import { readCertificate, readKey } from '../service/tls/pem-file.ts';
import { TlsError } from '../service/tls/tls-error.ts';
import { createCertificateKeeper } from './certificate-keeper.ts';
import type { WebhookTls } from './webhook-server.ts';

/** What the certificate is kept with. */
export interface CertificateSourceOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** See `CertificateKeeperOptions`. Not called where the certificate comes from files. */
  readonly onBundle?: (bundle: string) => void;
}

const FILE_CHECK_MS = 2_000;

/**
 * Calls back with the certificate of the webhook, and with each one that replaces it, until the signal aborts. It comes
 * from files, or from an authority in a Secret. Rejects where the files are wrong at the start.
 */
export async function keepCertificate(
  options: CertificateSourceOptions,
  onCertificate: (tls: WebhookTls) => void,
): Promise<void> {
  const { settings, clock, log, signal } = options;
  const { admissionTlsSecret, admissionConfiguration, admissionTlsNames, kubernetes, kubernetesApi } = settings;
  if (admissionTlsSecret === 'off') return watchFiles(options, onCertificate);
  const clientCa = await readClientCa(settings);
  const access = kubernetes === 'in-cluster' ? accessFromPod(kubernetesApi) : await accessFromKubeconfig(kubernetes);
  const api = createKubernetesApi(access);
  const keeper = createCertificateKeeper({
    api,
    secret: admissionTlsSecret,
    configuration: admissionConfiguration,
    names: admissionTlsNames,
    ...(options.onBundle && { onBundle: options.onBundle }),
    clock,
    log,
    signal,
  });
  try {
    await keeper.run(({ certificatePem, keyPem }, authorities) =>
      onCertificate({ cert: certificatePem, key: keyPem, authorities, ...clientCa }),
    );
  } finally {
    api.close();
  }
}

/** A file that becomes wrong is logged, and the earlier certificate stays. */
async function watchFiles(
  { settings, clock, log, signal }: CertificateSourceOptions,
  onCertificate: (tls: WebhookTls) => void,
): Promise<void> {
  let used = await readFiles(settings);
  onCertificate(used);
  while (!signal.aborted) {
    await sleep(clock, FILE_CHECK_MS, signal);
    if (signal.aborted) return;
    try {
      const next = await readFiles(settings);
      if (next.cert === used.cert && next.key === used.key && next.clientCa === used.clientCa) continue;
      onCertificate(next);
      used = next;
      log.info({}, 'certificate of the webhook replaced');
    } catch (error) {
      log.warn({ code: errorCode(error), error }, 'the new certificate of the webhook cannot be used');
    }
  }
}

async function readFiles(settings: Settings): Promise<WebhookTls> {
  const { admissionTlsCert, admissionTlsKey } = settings;
  const cert = await readCertificate(admissionTlsCert);
  const key = await readKey(admissionTlsKey);
  if (cert === undefined)
    throw new TlsError('absent', `${admissionTlsCert} is missing: the certificate of the webhook`);
  if (key === undefined) throw new TlsError('absent', `${admissionTlsKey} is missing: the key of the webhook`);
  if (!cert.certificate.checkPrivateKey(key.key))
    throw new TlsError('mismatch', `${admissionTlsKey} is not the key of the certificate in ${admissionTlsCert}`);
  return { cert: cert.pem, key: key.pem, ...(await readClientCa(settings)) };
}

async function readClientCa({ admissionClientCa }: Settings): Promise<Pick<WebhookTls, 'clientCa'>> {
  if (admissionClientCa === 'none') return {};
  const clientCa = await readCertificate(admissionClientCa);
  if (clientCa === undefined)
    throw new TlsError('absent', `${admissionClientCa} is missing: the authorities of clients`);
  return { clientCa: clientCa.pem };
}
