import { join } from 'node:path';
import type { Clock } from '../../service/clock.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import type { RefusalNote } from '../refusal-recorder.ts';
import { addressError, StartError } from '../start-error.ts';
import type { TlsKeeper } from '../tls/tls-keeper.ts';
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
  /** Opens the enrolment listener. Resolves to its address, or to undefined where the setting `enroll` is `off`. */
  readonly listen: (use: NodeAdmissionUse) => Promise<Address | undefined>;
  readonly close: () => Promise<void>;
}

/** What the enrolment listener needs from the collector. */
export interface NodeAdmissionUse {
  /** Does the collector know this node already? */
  readonly isKnown: (nodeId: string) => boolean;
  readonly onRefused?: (refusal: RefusalNote) => void;
}

/** What admission works with. */
export interface NodeAdmissionOptions {
  readonly settings: Settings;
  readonly tls: TlsKeeper;
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
    listen: async ({ isKnown, ...more }) => {
      const { enroll } = settings;
      if (enroll === 'off') return undefined;
      // Without the key every request would fail, and use its join token up.
      await tls.issuer().catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new StartError(
          'directory',
          `${reason}: no node can be enrolled`,
          'restore it, or start with --enroll off',
        );
      });
      const trusted = (): string => tls.current().ca;
      const enrollment = createEnrollment({
        issuer: tls.issuer,
        trusted,
        tokens,
        revocations,
        attestToken,
        isKnown,
        clock,
        log,
      });
      const server = await startEnrollmentServer({
        listen: enroll,
        tls: tls.current,
        enrollment,
        ...more,
        clock,
        log,
      }).catch((error: unknown) => {
        throw addressError(formatAddress(enroll), 'enroll', error);
      });
      tls.onChange(server.useTls);
      close = server.close;
      return server.address;
    },
    close: () => close(),
  };
}
