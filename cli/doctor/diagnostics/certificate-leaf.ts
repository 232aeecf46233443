import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { ok, problem, warning, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { serverNames } from '../../../service/tls/authority.ts';
import { judgeValidity, openCertificate, openKey } from '../certificate.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** Whose certificate. */
type Owner = 'collector' | 'agent';

/** The certificate that nodes are shown. */
export const collectorCertificate = leafExamination('collector');
/** The certificate that this node shows to the collector. */
export const agentCertificate = leafExamination('agent');

function leafExamination(owner: Owner): InstallationDiagnostic {
  return Object.freeze({
    id: `certificate.${owner}`,
    group: 'certificates',
    title: owner,
    run: (installation: Installation) => examineLeaf(owner, installation),
  });
}

async function examineLeaf(owner: Owner, installation: Installation): Promise<DiagnosticResult> {
  const { roles, clock } = installation;
  const { tlsCa, tlsCert, tlsKey } = installation[owner];
  const [certificate, key, authority] = [
    await openCertificate(tlsCert),
    await openKey(tlsKey),
    await openCertificate(tlsCa),
  ];
  if (certificate.state === 'absent' && key.state === 'absent')
    return roles[owner] && !roles.authority
      ? problem(`${tlsCert} is missing`, 'bring a certificate and its key here, signed by the authority of the fleet')
      : ok(`none yet: ${owner === 'agent' ? 'an agent' : 'a collector'} beside the authority makes it at its start`);
  if (certificate.state === 'refused') return certificate.examined;
  if (key.state === 'refused') return key.examined;
  const renewal = roles.authority
    ? `start the ${owner} again: it makes a new one`
    : 'bring a new one here, signed by the authority of the fleet';
  if (certificate.state === 'absent') return problem(`${tlsCert} is missing, although its key is there`, renewal);
  if (key.state === 'absent') return problem(`${tlsKey} is missing, although its certificate is there`, renewal);
  const { certificate: own } = certificate.file;
  return worstResult([
    own.checkPrivateKey(key.file.key)
      ? ok('')
      : problem(`${tlsKey} is not the key of the certificate in ${tlsCert}`, renewal),
    authority.state === 'read' && !own.verify(authority.file.certificate.publicKey)
      ? problem(`${tlsCert} was not signed by the authority in ${tlsCa}`, renewal)
      : ok(''),
    judgeValidity(own, clock.now(), renewal),
    owner === 'collector' ? judgeNames(own, installation, renewal) : judgeIdentity(own, renewal),
  ]);
}

/** Nodes refuse a collector whose certificate does not name the address that they dialled. */
function judgeNames(
  certificate: X509Certificate,
  { collector, roles }: Installation,
  renewal: string,
): DiagnosticResult {
  const { listen, tlsNames } = collector;
  // One that was brought here need not name the loopback addresses: nobody has to connect by them.
  const wanted = roles.authority ? serverNames(listen.host, hostname(), tlsNames) : tlsNames;
  const missing = wanted.filter(
    (name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) === undefined,
  );
  if (missing.length === 0) return ok('');
  return warning(`does not name ${missing.join(', ')}: nodes that connect by it refuse the collector`, renewal);
}

/** The identity of a node is a SPIFFE id: `spiffe://plimsoll.local/host/<id>`. */
function judgeIdentity({ subjectAltName = '' }: X509Certificate, renewal: string): DiagnosticResult {
  const match = /^URI:spiffe:\/\/plimsoll\.local\/host\/([A-Za-z0-9._-]{1,200})$/.exec(subjectAltName);
  return match === null
    ? problem('it is no certificate of a node: the collector will refuse it', renewal)
    : ok(`node ${match[1] ?? ''}`);
}
