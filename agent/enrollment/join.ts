import { readFile } from 'node:fs/promises';
import type { Settings } from '../../service/config/settings.ts';
import { PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { readCertificate } from '../../service/tls/pem-file.ts';
import { createSigningRequest } from '../../service/tls/signing-request.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { readKeptCertificate, readTokenFile, writeCertificate } from './certificate-files.ts';
import type { CertificatePaths } from './certificate-files.ts';
import { checkIssued, fetchAuthority, haveCommonKey, requestEnrollment } from './enrollment-client.ts';

/** Settings of an agent that joins a fleet with a token. */
export type JoinSettings = CertificatePaths &
  Pick<Settings, 'join' | 'joinToken' | 'joinTokenFile' | 'joinCaHash' | 'joinCaFile'>;

const MAX_TOKEN_BYTES = 1_024;

/**
 * Enrols this node with the join token, unless the token has been used here before: a restart with the same settings uses
 * the certificate of the first start. Rejects with {@link TlsError} if a node without a certificate cannot be enrolled.
 */
export async function joinFleet(settings: JoinSettings, nodeId: string, log: Logger): Promise<void> {
  if (settings.join === 'off') return;
  const kept = await readKeptCertificate(settings);
  const isEnrolled = kept?.node.nodeId === nodeId;
  const joinToken = await readToken(settings).catch((error: unknown) => {
    if (!isEnrolled) throw error;
    // The token is needed once: many remove the file after the first start.
    log.info({ error }, 'the join token file was not read; this node keeps its certificate');
    return '';
  });
  const [tokenId = ''] = joinToken.split('.');
  if (isEnrolled && (joinToken === '' || tokenId === (await readUsedTokenId(settings)))) return;
  try {
    await enroll({ settings, nodeId, joinToken });
  } catch (error) {
    if (!isEnrolled) throw error;
    // A token that is used up or expired must not stop a node that has a certificate.
    return log.warn({ error }, 'the new join token was not accepted; this node keeps its certificate');
  }
  await writeFileAtomic(usedTokenPath(settings), `${tokenId}\n`, PRIVATE_FILE);
  log.info({ nodeId }, 'this node has joined the fleet');
}

async function enroll({
  settings,
  nodeId,
  joinToken,
}: {
  readonly settings: JoinSettings;
  readonly nodeId: string;
  readonly joinToken: string;
}): Promise<void> {
  const { join: address, tlsCa } = settings;
  if (address === 'off') return;
  if (joinToken === '')
    throw refused(
      'this node has no certificate yet; set --join-token and --join-ca-hash (plimsoll join-token create prints both)',
    );
  const ca = await findAuthority(settings);
  const known = await readCertificate(tlsCa);
  if (known !== undefined && !haveCommonKey(known.pem, ca))
    throw refused(`${tlsCa} holds the certificate of another CA; remove it to join this fleet`);
  const { csrPem: csr, keyPem } = await createSigningRequest();
  const issued = await requestEnrollment(address, ca, { joinToken, nodeId, csr });
  if (!issued.ok) throw refused(issued.reason);
  const checked = checkIssued(issued.value, { keyPem, ca });
  if (!checked.ok) throw refused(checked.problem);
  if (checked.node.nodeId !== nodeId) throw refused('the certificate is for another node');
  await writeCertificate(settings, issued.value, keyPem);
}

async function findAuthority({ join: address, joinCaHash, joinCaFile }: JoinSettings): Promise<string> {
  if (joinCaFile !== 'off') {
    const file = await readCertificate(joinCaFile);
    if (file === undefined) throw refused(`${joinCaFile} does not exist`);
    return file.pem;
  }
  if (address === 'off' || joinCaHash.length === 0)
    throw refused('set --join-ca-hash (plimsoll join-token create prints it) or --join-ca-file');
  const authority = await fetchAuthority(address, joinCaHash);
  if (!authority.ok) throw refused(authority.reason);
  return authority.value;
}

async function readToken({ joinToken, joinTokenFile }: JoinSettings): Promise<string> {
  if (joinTokenFile === 'off') return joinToken;
  return readTokenFile(joinTokenFile, MAX_TOKEN_BYTES).catch((error: unknown) => {
    throw error instanceof TlsError ? refused(error.message) : error;
  });
}

/** Remembers the id of the token, its public part: the same setting after a restart is not a new token. */
function usedTokenPath({ tlsCert }: JoinSettings): string {
  return `${tlsCert}.joined`;
}

async function readUsedTokenId(settings: JoinSettings): Promise<string> {
  const text = await readFile(usedTokenPath(settings), 'latin1').catch(() => '');
  return text.slice(0, MAX_TOKEN_BYTES).trim();
}

function refused(reason: string): TlsError {
  return new TlsError('absent', `this node cannot join the fleet: ${reason}`);
}
