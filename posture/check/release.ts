/** A vulnerability, and the releases without its fix, as numbers. */
export interface Vulnerability {
  readonly id: string;
  /** From the first, up to the one before the second. */
  readonly affected: readonly (readonly [from: number, fixed: number])[];
}

/** Older data says nothing about the releases that are current now. */
const MAX_DATA_AGE_MS = 365 * 86_400_000;

/**
 * A version as a number: 26.1.5 is 26_001_005. `28.0.0-rc.1` is before 28.0.0: no pre-release has a fix that its release
 * has not. undefined: not a version.
 */
export function releaseOf(version: string): number | undefined {
  const match = /^v?(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\d.])/.exec(version);
  if (match === null) return undefined;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  return major * 1e6 + minor * 1e3 + patch - (/-(?:rc|beta|alpha)/.test(version) ? 0.5 : 0);
}

/** `26.1.5+dfsg1`, `20.10.24~1`, `1.7.23-k3s2`: a build of a distribution. A release of the project has no such mark. */
export function isDistributionBuild(version: string): boolean {
  return /[+~]|-(?!rc|beta|alpha|[ce]e$)/.test(version);
}

/** Does the release lack the fix? */
export function isAffected({ affected }: Vulnerability, release: number): boolean {
  return affected.some(([from, fixed]) => release >= from && release < fixed);
}

/** Is data of that day too old to say that a release has all fixes? */
export function isOutdated(dataMs: number, nowMs: number): boolean {
  return nowMs - dataMs > MAX_DATA_AGE_MS;
}

/** Programs that no package of a distribution installs: hier(7) reserves these directories for the administrator. */
export function isLocalInstallation(executable: string): boolean {
  return executable.startsWith('/usr/local/') || executable.startsWith('/opt/');
}
