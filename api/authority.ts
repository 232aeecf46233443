import * as s from '../posture/schema.ts';
import { time } from './part.ts';

/** The CAs of the fleet. */
export const authorityState = s.object({
  authorities: s.list(
    s.object({
      hash: s.string('hash of the public key, as join-ca-hash takes it'),
      certificatePem: s.string('certificate in PEM'),
      expiresMs: time('end of its validity'),
    }),
    'the current CA, and the next one while the CA is rotated',
    16,
  ),
  rotationEndsMs: time('when only the next CA is trusted; 0: no rotation is in progress'),
});
/** See {@link authorityState}. */
export type AuthorityState = s.Infer<typeof authorityState>;
