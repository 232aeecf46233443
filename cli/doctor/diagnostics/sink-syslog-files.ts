import { ok, problem, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { judgeValidity, openCertificate, openKey } from '../certificate.ts';
import type { ReadFile } from '../certificate.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** Are the files for TLS to the receiver of syslog messages there, and do they belong together? */
export const sinkSyslogFiles: InstallationDiagnostic = Object.freeze({
  id: 'sink.syslog-files',
  group: 'sinks',
  title: 'syslog certificates',
  run: async ({ collector, clock }: Installation) => {
    const { sinkSyslog: receiver, sinkSyslogCa: ca, sinkSyslogCert: cert, sinkSyslogKey: key } = collector;
    if (receiver === 'off' || receiver.transport === 'tcp') return ok('none needed');
    const authority = ca === 'system' ? undefined : await openCertificate(ca);
    if ((cert === 'none') !== (key === 'none'))
      return problem('only one of sink-syslog-cert and sink-syslog-key is set', 'set both, or none');
    const own = cert === 'none' ? undefined : await openCertificate(cert);
    const ownKey = key === 'none' ? undefined : await openKey(key);
    const renewal = 'get a new one from whoever runs the receiver';
    const pair =
      own?.state === 'read' && ownKey?.state === 'read' && !own.file.certificate.checkPrivateKey(ownKey.file.key)
        ? problem(`${key} is not the key of the certificate in ${cert}`, 'name files that belong together')
        : ok('');
    return worstResult([
      ok(ca === 'system' ? 'authorities of this machine' : ca),
      judgeFile(authority, ca),
      judgeFile(own, cert),
      judgeFile(ownKey, key),
      pair,
      own?.state === 'read' ? judgeValidity(own.file.certificate, clock.now(), renewal) : ok(''),
    ]);
  },
});

function judgeFile(read: ReadFile<unknown> | undefined, path: string): DiagnosticResult {
  if (read?.state === 'refused') return read.examined;
  return read?.state === 'absent' ? problem(`${path} is missing`, 'put it there, or correct the setting') : ok('');
}
