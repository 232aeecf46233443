import { lookUpVulnerabilities } from '../../image/policy/vulnerability-evidence.ts';
import { seen } from '../../posture/observed.ts';
import type { Inventory } from '../../vulnerability/package.ts';
import type { UnjudgedPackage, VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';
import type { Context } from '../context.ts';
import type { VulnerabilityItem } from '../images/vulnerability-table.ts';
import { compareText } from '../../posture/text-order.ts';

/** The vulnerabilities of one image, by risk, the highest first. */
export interface ImageVulnerabilities {
  /** Each vulnerability once for each package version that it affects. */
  readonly items: readonly VulnerabilityItem[];
  readonly matches: readonly VulnerabilityMatch[];
  readonly unjudged: readonly UnjudgedPackage[];
  /** Why some may be missing; empty: the database is current. */
  readonly problem: string;
}

/** The vulnerabilities that the database of the settings knows, or why it cannot be used. */
export type FoundVulnerabilities =
  | { readonly ok: true; readonly value: ImageVulnerabilities }
  | { readonly ok: false; readonly code: 'missing' | 'unusable'; readonly problem: string };

/** Looks up the packages of an inventory in the vulnerability database of the settings. */
export function findVulnerabilities(
  inventory: Inventory,
  { settings, clock }: Pick<Context, 'settings' | 'clock'>,
): FoundVulnerabilities {
  const { database, vulnerabilities } = lookUpVulnerabilities({
    inventory: seen(inventory, 'image'),
    architecture: undefined,
    file: settings.vulndb,
    maxAgeMs: settings.vulndbMaxAge,
    now: clock.now(),
  });
  const problem = database.state === 'unreadable' ? database.reason : '';
  if (vulnerabilities.state !== 'seen')
    return database.state === 'absent'
      ? { ok: false, code: 'missing', problem: `${settings.vulndb}: no vulnerability database` }
      : { ok: false, code: 'unusable', problem };
  const { matches, unjudged } = vulnerabilities.value;
  return { ok: true, value: { items: itemsOf(matches), matches, unjudged, problem } };
}

function itemsOf(matches: readonly VulnerabilityMatch[]): readonly VulnerabilityItem[] {
  const items = new Map<string, VulnerabilityItem>();
  for (const { package: found, vulnerability, status, fixedVersion } of matches) {
    const { id, severity, risk, kev, epss, summary } = vulnerability;
    const key = [id, found.type, found.name, found.version].join('\0');
    if ((items.get(key)?.risk ?? -1) >= risk) continue;
    items.set(key, {
      id,
      severity,
      risk,
      exploited: kev !== undefined,
      epss: epss?.score ?? null,
      package: found.name,
      version: found.version,
      status,
      fixedVersion: fixedVersion ?? null,
      summary: summary ?? null,
    });
  }
  return [...items.values()].sort(
    (one, other) => other.risk - one.risk || compareText(one.id, other.id) || compareText(one.package, other.package),
  );
}
