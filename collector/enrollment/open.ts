import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../service/clock.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import type { TlsFiles } from '../../service/tls/load-tls-files.ts';
import { readKey } from '../../service/tls/pem-file.ts';
import { publicKeyPin } from '../../service/tls/signing-request.ts';
import { addressError, StartError } from '../start-error.ts';
import { createEnrollment } from './enrollment.ts';
import type { AttestToken } from './kubernetes-attestation.ts';
import { openJoinTokens } from './join-tokens.ts';
import type { JoinTokens } from './join-tokens.ts';
import { openRevocations } from './revocations.ts';
import type { Revocations } from './revocations.ts';
import { startEnrollmentServer } from './server.ts';

/** Everything about who may be a node of this fleet. */
export interface NodeAdmission {
  readonly tokens: JoinTokens;
  readonly revocations: Revocations;
  /** Hash of the public key of the CA, which a joining node is given. */
  readonly caHash: string;
  /** Opens the enrolment listener. Resolves to its address, or to undefined where the setting `enroll` is `off`. */
  readonly listen: (isKnown: (nodeId: string) => boolean) => Promise<Address | undefined>;
  readonly close: () => Promise<void>;
}

/** What admission works with. */
export interface NodeAdmissionOptions {
  readonly settings: Settings;
  readonly tls: TlsFiles;
  /** Undefined where the collector has no access to a Kubernetes API server. */
  readonly attestToken: AttestToken | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Opens join tokens and revocations, which lie beside the keys of the CA. Throws StartError. */
export async function openNodeAdmission({
  settings,
  tls,
  attestToken,
  clock,
  log,
}: NodeAdmissionOptions): Promise<NodeAdmission> {
  const directory = join(settings.dataDir, 'tls');
  const tokens = await openJoinTokens(join(directory, 'join-tokens.json'), clock);
  const revocations = await openRevocations(join(directory, 'revoked-nodes.json'));
  let close = (): Promise<void> => Promise.resolve();
  return {
    tokens,
    revocations,
    caHash: publicKeyPin(tls.ca),
    listen: async (isKnown) => {
      const { enroll } = settings;
      if (enroll === 'off') return undefined;
      const issuer = { certificatePem: tls.ca, keyPem: await readCaKey(join(directory, 'ca-key.pem'), tls.ca) };
      const enrollment = createEnrollment({ issuer, tokens, revocations, attestToken, isKnown, clock, log });
      const server = await startEnrollmentServer({ listen: enroll, tls, enrollment, clock, log }).catch(
        (error: unknown) => {
          throw addressError(formatAddress(enroll), 'enroll', error);
        },
      );
      close = server.close;
      return server.address;
    },
    close: () => close(),
  };
}

/** Certificates that another key signed would be refused by every listener, and use the join tokens up. */
async function readCaKey(path: string, ca: string): Promise<string> {
  const key = await readKey(path);
  if (key !== undefined && new X509Certificate(ca).checkPrivateKey(key.key)) return key.pem;
  throw new StartError(
    'directory',
    `${path} is ${key === undefined ? 'missing' : 'not the key of the CA in use'}: no node can be enrolled`,
    'restore it, or start with --enroll off',
  );
}
