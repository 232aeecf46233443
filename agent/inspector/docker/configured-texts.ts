import type { DockerFact } from '../../../posture/fact/docker.ts';

/**
 * The values of one setting of dockerd, by flag and by daemon.json together: the two never name the same setting,
 * or dockerd does not start. `key` is the name in the file where it differs from the flag.
 */
export function configuredTexts(docker: DockerFact, flag: string, key = flag): readonly string[] {
  const flags = docker.process.state === 'seen' ? docker.process.value.flags : {};
  const values = Object.hasOwn(flags, flag) ? (flags[flag] ?? []) : [];
  const keys = docker.file.state === 'seen' ? docker.file.value.keys : {};
  const value = Object.hasOwn(keys, key) ? keys[key] : undefined;
  const fromFile = (Array.isArray(value) ? value : [value]).flatMap((each) =>
    typeof each === 'string' || typeof each === 'boolean' || typeof each === 'number' ? [String(each)] : [],
  );
  return [...values, ...fromFile];
}
