import { isLoopback } from '../../../service/config/api-url.ts';
import { formatAddress } from '../../../service/config/kind.ts';
import { ok, problem, warning } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { judgeValidity, openCertificate } from '../certificate-file.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** Does the admission webhook know the API server from other clients? */
export const admissionClients: InstallationDiagnostic = Object.freeze({
  id: 'admission-clients',
  title: 'admission clients',
  run: async ({ admission, clock }: Installation): Promise<DiagnosticResult> => {
    const { admissionPolicies, admissionTlsSecret, admissionListen, admissionClientCa: path } = admission;
    if (path === 'none') {
      if (admissionPolicies === 'none' && admissionTlsSecret === 'off')
        return ok('no admission webhook is configured here');
      return isLoopback(admissionListen)
        ? ok('the webhook listens on this machine only')
        : warning(
            `the webhook asks clients for no certificate: whoever reaches ${formatAddress(admissionListen)} can ask it, report what was never admitted, and take its time`,
            'give the API server a client certificate and set admission-client-ca: see docs/admission.md',
          );
    }
    const opened = await openCertificate(path);
    if (opened.state === 'refused') return opened.result;
    if (opened.state === 'absent')
      return problem(
        `${path} is missing, and the webhook does not start`,
        'copy the CA of the client certificate there',
      );
    const { certificate } = opened.file;
    return certificate.ca
      ? judgeValidity(certificate, clock.now(), 'replace it before: see docs/admission.md')
      : problem(
          `${path} is not a CA certificate: every request of the API server is refused`,
          'replace it with the CA',
        );
  },
});
