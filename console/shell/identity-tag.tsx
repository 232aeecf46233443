import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { identity as identitySchema } from '../../api/access.ts';
import { useLoad } from '../hook/use-load.ts';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';

/** Who is signed in, with which role. Reads it, for all views. */
export function IdentityTag(): JSX.Element | null {
  const { api, identity } = useServices();
  const { value } = useLoad('identity', (signal) => api.get('/v1/identity', identitySchema, signal));
  useEffect(() => identity.set(value), [value, identity]);
  if (value === undefined) return null;
  return (
    <span class="identity-tag" title={`Signed in with role ${value.role}`}>
      <UntrustedText text={value.name === '' ? value.id : value.name} /> · {value.role}
    </span>
  );
}
