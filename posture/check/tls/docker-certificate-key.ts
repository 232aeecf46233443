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
  title: 'TLS key of the Docker port is strong',
  failTitle: 'TLS key of the Docker port is weak',
  judgedBy: 'effect',
  severity: 'high',
  rationale: 'An attacker who can compute the key can impersonate this daemon and read what clients send.',
  remediation: 'Create a new key (EC P-256 or RSA of 3072 bits), have the private CA certify it, and restart Docker.',
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
      if (BROKEN.has(keyType)) return fail(`${keyType} keys are withdrawn`, evidence);
      if (least === undefined) return unknownBecause(`${source}: unknown key type`, evidence);
      if (least > 0 && keyBits === 0) return unknownBecause(`${source}: unknown key size`, evidence);
      return keyBits >= least
        ? pass(evidence)
        : fail(`an attacker may be able to compute a key of ${String(keyBits)} bits`, evidence);
    }),
});
