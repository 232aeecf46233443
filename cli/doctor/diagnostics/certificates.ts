import type { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, warning, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { serverNames } from '../../../service/tls/authority.ts';
import type { CertificateFile } from '../../../service/tls/pem-file.ts';
import { judgeValidity, openCertificate, openKey } from '../certificate-file.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { modeText } from '../place.ts';

/** Are the certificates of the authority, the collector and the agent valid, and do their keys match? */
export const certificates: InstallationDiagnostic = Object.freeze({
  id: 'certificates',
  title: 'certificates',
  run: async (installation: Installation) => {
    const results = {
      authority: await examineAuthority(installation),
      collector: await examineLeaf('collector', installation),
      agent: await examineLeaf('agent', installation),
    };
    const { authority, collector, agent } = results;
    return worstResult([prefixed('authority', authority), prefixed('collector', collector), prefixed('agent', agent)]);
  },
});

function prefixed(owner: string, result: DiagnosticResult): DiagnosticResult {
  return { ...result, observed: `${owner}: ${result.observed}` };
}

async function examineAuthority(installation: Installation): Promise<DiagnosticResult> {
  const { collector, clock } = installation;
  const opened = await openCertificate(collector.tlsCa);
  if (opened.state === 'refused') return opened.result;
  if (opened.state === 'absent') return judgeAbsentAuthority(installation);
  const { certificate } = opened.file;
  if (!certificate.ca)
    return problem(`${collector.tlsCa} is not a CA certificate`, 'replace it with ca.pem of the collector');
  return worstResult([
    judgeValidity(certificate, clock.now(), 'create a new authority: see docs/operations.md'),
    await examineAuthorityKey(join(collector.dataDir, 'tls', 'ca-key.pem'), opened.file),
    await examineDirectory(dirname(collector.tlsCa)),
  ]);
}

function judgeAbsentAuthority({ collector: { tlsCa }, roles }: Installation): DiagnosticResult {
  if (roles.authority)
    return problem(`${tlsCa} is missing, but its key exists`, 'restore the certificate and its key from one backup');
  if (roles.agent) return problem(`${tlsCa} is missing`, 'copy tls/ca.pem from the data directory of the collector');
  return ok('none yet, the first start of a collector creates it');
}

async function examineAuthorityKey(path: string, { certificate }: CertificateFile): Promise<DiagnosticResult> {
  const opened = await openKey(path);
  if (opened.state === 'refused') return opened.result;
  if (opened.state === 'absent') return ok('its key is not on this machine');
  return certificate.checkPrivateKey(opened.file.key)
    ? ok('its key is on this machine')
    : problem(`${path} is not the key of the authority`, 'restore the certificate and its key from one backup');
}

/** Who can write to the directory can replace the authority. */
async function examineDirectory(path: string): Promise<DiagnosticResult> {
  try {
    const { mode } = await stat(path);
    return (mode & 0o022) === 0
      ? ok('')
      : problem(`${path} has mode ${modeText(mode)}: other users can replace its keys`, `chmod 700 ${path}`);
  } catch (error) {
    return problem(`${path} cannot be read: ${errorCode(error)}`, 'make it readable');
  }
}

async function examineLeaf(owner: 'collector' | 'agent', installation: Installation): Promise<DiagnosticResult> {
  const { roles, clock } = installation;
  const { tlsCa, tlsCert, tlsKey } = installation[owner];
  const certificate = await openCertificate(tlsCert);
  const key = await openKey(tlsKey);
  const authority = await openCertificate(tlsCa);
  if (certificate.state === 'absent' && key.state === 'absent')
    return roles[owner] && !roles.authority
      ? problem(`${tlsCert} is missing`, 'copy a certificate and its key here, signed by the authority of the fleet')
      : ok('none yet, the first start beside the authority creates it');
  if (certificate.state === 'refused') return certificate.result;
  if (key.state === 'refused') return key.result;
  const renewal = roles.authority
    ? `restart the ${owner}: it creates a new one`
    : 'copy a new one here, signed by the authority of the fleet';
  if (certificate.state === 'absent') return problem(`${tlsCert} is missing, but its key exists`, renewal);
  if (key.state === 'absent') return problem(`${tlsKey} is missing, but its certificate exists`, renewal);
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

/** A node refuses a collector whose certificate does not contain the address that the node connects to. */
function judgeNames(
  certificate: X509Certificate,
  { collector, roles }: Installation,
  renewal: string,
): DiagnosticResult {
  const { listen, tlsNames } = collector;
  // A certificate of another authority need not contain the loopback addresses.
  const wanted = roles.authority ? serverNames(listen.host, hostname(), tlsNames) : tlsNames;
  const missing = wanted.filter(
    (name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) === undefined,
  );
  if (missing.length === 0) return ok('');
  return warning(`does not contain ${missing.join(', ')}: nodes that connect by it refuse the collector`, renewal);
}

/** The identity of a node is a SPIFFE id: `spiffe://plimsoll.local/host/<id>`. */
function judgeIdentity({ subjectAltName = '' }: X509Certificate, renewal: string): DiagnosticResult {
  const match = /^URI:spiffe:\/\/plimsoll\.local\/host\/([A-Za-z0-9._-]{1,200})$/.exec(subjectAltName);
  return match === null
    ? problem('it is not the certificate of a node: the collector will refuse it', renewal)
    : ok(`node ${match[1] ?? ''}`);
}
