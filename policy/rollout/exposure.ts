import { VULNERABILITY_SEVERITIES } from '../../vulnerability/vulnerability.ts';
import type { VulnerabilitySeverity } from '../../vulnerability/vulnerability.ts';
import type { Trigger } from './rollout-policy.ts';

/** One vulnerability of an image that counts: no VEX statement and no valid waiver suppresses it. */
export interface ExposedVulnerability {
  readonly id: string;
  readonly package: string;
  readonly severity: VulnerabilitySeverity;
  readonly isExploited: boolean;
  /** Undefined: there is no score. */
  readonly epss: number | undefined;
  readonly isFixable: boolean;
  /** A waiver accepted it and has expired. */
  readonly hasExpiredWaiver: boolean;
}

/** What a trigger looks at. */
export interface ImageState {
  readonly vulnerabilities: readonly ExposedVulnerability[];
  /** When security updates of its distribution end; undefined: not known, or it has none. Milliseconds since the epoch. */
  readonly endOfLifeMs: number | undefined;
}

/** What the collector knows of one image of the fleet. */
export interface ImageExposure extends ImageState {
  readonly imageId: string;
  /** The id, and the manifests and indexes that name it according to its registry. */
  readonly digests: readonly string[];
  /** Running containers of the image. */
  readonly containers: readonly { readonly nodeId: string; readonly id: string }[];
  /**
   * `layers`: its files were read from its layers, and all nodes agree; `container`: through a running container, which
   * can show what it likes; `conflict`: nodes contradict each other; `none`: nothing is known.
   */
  readonly source: 'layers' | 'container' | 'conflict' | 'none';
}

/** Why a trigger fires. */
export interface TriggerReason {
  readonly code: 'severity' | 'knownExploited' | 'epss' | 'endOfLife' | 'waiverExpired' | 'denied';
  /** One clause for people. */
  readonly text: string;
}

const MAX_IDS = 5;

/** Why the trigger fires for an image; empty: it does not. `isDenied`: the image policies refuse the image. */
export function firedBy(
  trigger: Trigger,
  { vulnerabilities, endOfLifeMs }: ImageState,
  { isDenied, now }: { readonly isDenied: boolean; readonly now: number },
): readonly TriggerReason[] {
  const counted = trigger.fixAvailable ? vulnerabilities.filter(({ isFixable }) => isFixable) : vulnerabilities;
  const { severity: least, epss: score } = trigger;
  const reasons: TriggerReason[] = [];
  const add = (code: TriggerReason['code'], what: string, found: readonly ExposedVulnerability[]): void => {
    if (found.length > 0) reasons.push({ code, text: `${what}: ${idsOf(found)}` });
  };
  if (trigger.knownExploited)
    add(
      'knownExploited',
      'known exploited',
      counted.filter(({ isExploited }) => isExploited),
    );
  if (least !== null) {
    const worst = VULNERABILITY_SEVERITIES.indexOf(least);
    const isWorse = ({ severity }: ExposedVulnerability): boolean =>
      severity !== 'unknown' && VULNERABILITY_SEVERITIES.indexOf(severity) <= worst;
    add('severity', `severity ${least} or worse`, counted.filter(isWorse));
  }
  if (score !== null)
    add(
      'epss',
      `EPSS ${String(score)} or more`,
      counted.filter(({ epss }) => (epss ?? -1) >= score),
    );
  if (trigger.waiverExpired)
    add(
      'waiverExpired',
      'waiver expired',
      vulnerabilities.filter(({ hasExpiredWaiver }) => hasExpiredWaiver),
    );
  if (trigger.endOfLife && endOfLifeMs !== undefined && endOfLifeMs <= now)
    reasons.push({
      code: 'endOfLife',
      text: `security updates of its distribution ended on ${new Date(endOfLifeMs).toISOString().slice(0, 10)}`,
    });
  if (trigger.denied && isDenied) reasons.push({ code: 'denied', text: 'the image policies refuse it' });
  return reasons;
}

function idsOf(found: readonly ExposedVulnerability[]): string {
  const ids = [...new Set(found.map(({ id }) => id))].sort();
  return ids.slice(0, MAX_IDS).join(', ') + (ids.length > MAX_IDS ? ` and ${String(ids.length - MAX_IDS)} more` : '');
}
