import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import type { CertificateFile } from '../../../service/tls/pem-file.ts';
import { judgeValidity, openCertificate, openKey } from '../certificate.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { modeText } from '../place.ts';

/** The authority of the fleet: its certificate, and its key where that lies here. */
export const certificateAuthority: InstallationDiagnostic = Object.freeze({
  id: 'certificate.authority',
  group: 'certificates',
  title: 'authority',
  run: async (installation: Installation) => {
    const { collector, clock } = installation;
    const opened = await openCertificate(collector.tlsCa);
    if (opened.state === 'refused') return opened.examined;
    if (opened.state === 'absent') return examineAbsent(installation);
    const { certificate } = opened.file;
    if (!certificate.ca)
      return problem(`${collector.tlsCa} is no certificate of an authority`, 'put ca.pem of the collector there');
    return worstResult([
      judgeValidity(certificate, clock.now(), 'make a new authority: docs/operations.md says how'),
      await examineKey(join(collector.dataDir, 'tls', 'ca-key.pem'), opened.file),
      await examineDirectory(dirname(collector.tlsCa)),
    ]);
  },
});

function examineAbsent({ collector: { tlsCa }, roles }: Installation): DiagnosticResult {
  if (roles.authority)
    return problem(`${tlsCa} is missing, although its key is there`, 'restore it from a backup, with its key');
  if (roles.agent)
    return problem(`${tlsCa} is missing`, 'bring ca.pem here from the data directory of the collector (tls/ca.pem)');
  return ok('none yet: a collector makes one at its first start');
}

async function examineKey(path: string, { certificate }: CertificateFile): Promise<DiagnosticResult> {
  const opened = await openKey(path);
  if (opened.state === 'refused') return opened.examined;
  if (opened.state === 'absent') return ok('its key is elsewhere, as it should be on a node');
  return certificate.checkPrivateKey(opened.file.key)
    ? ok('its key is here')
    : problem(`${path} is not the key of the authority`, 'restore both from one backup');
}

/** Who can write there can replace the authority. */
async function examineDirectory(path: string): Promise<DiagnosticResult> {
  try {
    const { mode } = await stat(path);
    return (mode & 0o022) === 0
      ? ok('')
      : problem(`${path} has mode ${modeText(mode)}: others can replace its keys`, `chmod 700 ${path}`);
  } catch (error) {
    return problem(`${path}: ${errorCode(error)}`, 'see that it can be read');
  }
}
