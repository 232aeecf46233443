import type { Declared } from '../fact/container.ts';
import type { EngineSettings } from '../fact/docker.ts';
import { beyondDefault, plainName } from './capability.ts';

/**
 * Capabilities beyond the defaults that the engine gives the next process of the container: `ALL` is kept as it is. What
 * is dropped and added is added, and a privileged container has all whatever it drops: moby `oci/caps/utils.go`.
 */
export function declaredExcess({ privileged, capAdd }: Declared): readonly string[] {
  const names = privileged ? ['ALL', ...capAdd.map(plainName)] : capAdd.map(plainName);
  return [...new Set(beyondDefault(names))];
}

/** Does the engine start the next process of the container without a seccomp filter? */
export function asksForNoSeccomp({ privileged, seccompProfile }: Declared): boolean {
  return seccompProfile === 'unconfined' || (privileged && seccompProfile !== 'custom');
}

/** Does the engine start every container without a seccomp filter that asks for no profile? */
export function daemonGivesNoSeccomp({ api }: Pick<EngineSettings, 'api'>): boolean {
  if (api.state !== 'seen') return false;
  return api.value.securityOptions.some(
    ({ name, options }) => name === 'seccomp' && options['profile'] === 'unconfined',
  );
}

/** Does the engine set no_new_privs where a container asks for nothing? undefined: it could not be asked. */
export function daemonGivesNoNewPrivileges({
  api,
  process,
  file,
}: Omit<EngineSettings, 'endpoint'>): boolean | undefined {
  const isOn = (value: unknown): boolean => value === true || value === 'true';
  if (api.state === 'seen' && api.value.securityOptions.some(({ name }) => name === 'no-new-privileges')) return true;
  // Only recent engines list it: otherwise flags and file decide.
  if (process.state === 'seen' && isOn(process.value.flags['no-new-privileges']?.at(-1))) return true;
  if (file.state === 'seen' && isOn(file.value.keys['no-new-privileges'])) return true;
  return api.state === 'seen' ? false : undefined;
}
