import { fail, pass, unknownBecause } from '../../verdict.ts';
import { listenerCheck } from '../check.ts';
import { judgeTls } from './probed.ts';

/** Least bits by key type, as NIST SP 800-57 has it for today; 0 where the type has one good size only. */
const LEAST_BITS: ReadonlyMap<string, number> = new Map([
  ['rsa', 2048],
  ['rsa-pss', 2048],
  ['ec', 256],
  ['ed25519', 0],
  ['ed448', 0],
]);
/** DSA was withdrawn (FIPS 186-5), whatever its size. */
const BROKEN: ReadonlySet<string> = new Set(['dsa']);

export const dockerCertificateKey = listenerCheck({
  id: 'tls.docker-certificate-key',
  title: "The key of Docker's TCP port is long enough",
  severity: 'high',
  rationale: 'A key that can be worked out lets somebody else pose as this daemon and read what clients send it.',
  remediation:
    'Make a new key (EC P-256, or RSA with 2048 bits and more), have it certified by the private CA, and restart Docker.',
  references: ['https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final'],
  judges: 'listener',
  service: 'docker',
  needs: [],
  judge: (listener) =>
    judgeTls(listener, ({ certificate }, source) => {
      if (certificate === null) return unknownBecause(`${source}: the server showed no certificate`);
      const { keyType, keyBits } = certificate;
      const least = LEAST_BITS.get(keyType);
      const evidence = {
        source,
        seen: keyBits === 0 ? keyType : `${keyType} ${String(keyBits)}`,
        expected: 'rsa 2048, ec 256 or more, or ed25519',
      };
      if (BROKEN.has(keyType)) return fail(evidence);
      if (least === undefined) return unknownBecause(`${source}: unknown kind of key`, evidence);
      if (least > 0 && keyBits === 0) return unknownBecause(`${source}: the size of the key did not show`, evidence);
      return keyBits >= least ? pass(evidence) : fail(evidence);
    }),
});
