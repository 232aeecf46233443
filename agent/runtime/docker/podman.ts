import type { Declared } from '../../../posture/fact/container.ts';
import type { InspectAnswer } from './container-schema.ts';
import { DECLARED_SOURCES, toDeclared } from './declared.ts';

/** Where `podman inspect` shows each value: as Docker, but for what {@link podmanDeclared} derives. */
export const PODMAN_SOURCES: typeof DECLARED_SOURCES = Object.freeze({
  ...DECLARED_SOURCES,
  maskedPaths: 'inspect HostConfig.SecurityOpt',
  readonlyPaths: 'inspect HostConfig.SecurityOpt',
});

/**
 * What was asked for, from an answer of Podman's Docker-compatible API. Of the masked paths Podman reports only that all
 * were left as they are, as `unmask=all`. A namespace of the container's own is `private`, where Docker leaves the mode
 * empty.
 */
export function podmanDeclared(answer: InspectAnswer): Declared {
  const declared = toDeclared(answer);
  const isBare = answer.HostConfig.SecurityOpt.some((option) => option.toLowerCase() === 'unmask=all');
  const paths = isBare ? [] : null;
  const ownMode = (mode: string): string => (mode === 'private' ? '' : mode);
  return {
    ...declared,
    pidMode: ownMode(declared.pidMode),
    utsMode: ownMode(declared.utsMode),
    maskedPaths: paths,
    readonlyPaths: paths,
  };
}
