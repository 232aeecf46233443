import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { admissionClients } from '../../../cli/doctor/diagnostics/admission-clients.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { directoryOf, installationOf } from './installation.ts';

t.test('whether the webhook knows the API server from other clients', async (t) => {
  const directory = directoryOf(t);
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const old = await issueCertificate({ kind: 'authority' }, undefined, Date.now() - 11 * 365 * 86_400_000);
  const leaf = await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now());
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const policies = { 'admission-policies': '/etc/plimsoll/policies' };
  const cases: readonly (readonly [flags: Readonly<Record<string, string>>, outcome: string, observed: RegExp])[] = [
    [{}, 'ok', /no admission webhook/],
    [policies, 'warning', /asks clients for no certificate: whoever reaches 0\.0\.0\.0:8443/],
    [{ 'admission-tls-secret': 'plimsoll/tls' }, 'warning', /no certificate/],
    [{ ...policies, 'admission-listen': '127.0.0.1:8443' }, 'ok', /this machine only/],
    [{ 'admission-client-ca': join(directory, 'none.pem') }, 'problem', /missing/],
    [{ 'admission-client-ca': file('text.pem', 'text') }, 'problem', /text\.pem/],
    [{ 'admission-client-ca': file('leaf.pem', leaf.certificatePem) }, 'problem', /not a CA certificate/],
    [{ 'admission-client-ca': file('old.pem', old.certificatePem) }, 'problem', /expired/],
    [{ 'admission-client-ca': file('ca.pem', authority.certificatePem) }, 'ok', /valid/],
  ];
  for (const [flags, outcome, observed] of cases)
    t.match(await admissionClients.run(await installationOf(flags)), { outcome, observed }, JSON.stringify(flags));
});
