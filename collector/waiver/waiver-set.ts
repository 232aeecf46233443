import { hash } from 'node:crypto';
import { findingWaiver, isInForce, isMatched } from '../../policy/waiver.ts';
import type { FindingWaiver, Waiver } from '../../policy/waiver.ts';
import { isNodeUid } from '../../service/tls/node-identity.ts';
import type { FindingWaivers, WaivableFinding } from '../store/waived-findings.ts';

/** Waivers of findings as the files say now, and as they decide. */
export interface LoadedWaivers {
  readonly waivers: readonly Waiver[];
  /** Some file could never be read, so that what it says is not known. */
  readonly isIncomplete: boolean;
}

/** The waivers that the store asks. */
export interface WaiverSet extends FindingWaivers {
  readonly use: (loaded: LoadedWaivers) => void;
  /** Undefined: the files were not read yet. */
  readonly loaded: () => LoadedWaivers | undefined;
  /** Waivers that have ended, as fingerprints: one that has ended does not apply again when the clock is set back. */
  readonly ended: () => ReadonlySet<string>;
  /** Notes which waivers have ended by now; resolves to whether there are new ones. */
  readonly noteEnded: (nowMs: number) => boolean;
  readonly hasEnded: (waiver: Waiver) => boolean;
  /** The next time after `nowMs` at which a waiver begins or ends; Infinity: none does. */
  readonly nextChange: (nowMs: number) => number;
}

const DAY_MS = 86_400_000;

/**
 * Waivers without any, until `use` is called; so long, what is waived stays so. `endedBefore`: fingerprints of an earlier
 * run.
 */
export function createWaiverSet(endedBefore: Iterable<string>): WaiverSet {
  const ended = new Set(endedBefore);
  let loaded: LoadedWaivers | undefined;
  let byCheck: ReadonlyMap<string, readonly Waiver[]> = new Map();
  let checks: ReadonlySet<string> = new Set();
  let fingerprints = new Map<Waiver, string>();

  const hasEnded = (waiver: Waiver): boolean => ended.has(fingerprints.get(waiver) ?? '');
  const accept = (finding: WaivableFinding, atMs: number): FindingWaiver | undefined => {
    const scope = { nodeNames: namesOf(finding.node), imageIdOf: finding.imageIdOf };
    const found = byCheck
      .get(finding.check)
      ?.find((waiver) => isInForce(waiver, atMs) && !hasEnded(waiver) && isMatched(waiver, finding, scope));
    if (found !== undefined) return findingWaiver(found);
    return keepsBefore(finding.before, atMs) ? finding.before : undefined;
  };
  /** A file that cannot be read takes no waiver away. */
  const keepsBefore = (before: FindingWaiver | undefined, atMs: number): boolean => {
    if (before === undefined || atMs >= Date.parse(`${before.expires}T00:00:00Z`) + DAY_MS) return false;
    if (loaded === undefined) return true;
    return loaded.isIncomplete && !loaded.waivers.some(({ name }) => name === before.name);
  };
  return {
    use: (next) => {
      loaded = next;
      const names = next.waivers.flatMap((waiver) => waiver.match.checks.map((check) => ({ check, waiver })));
      const grouped = Map.groupBy(names, ({ check }) => check);
      byCheck = new Map([...grouped].map(([check, members]) => [check, members.map(({ waiver }) => waiver)]));
      checks = new Set(byCheck.keys());
      fingerprints = new Map(next.waivers.map((waiver) => [waiver, fingerprintOf(waiver)]));
      // Those of waivers that are gone are not needed; a file that cannot be read may still have them.
      const known = new Set(fingerprints.values());
      if (!next.isIncomplete) for (const one of ended) if (!known.has(one)) ended.delete(one);
    },
    loaded: () => loaded,
    checks: () => checks,
    accept,
    ended: () => ended,
    hasEnded,
    noteEnded: (nowMs) => {
      const before = ended.size;
      for (const [waiver, fingerprint] of fingerprints) if (nowMs >= waiver.expiresMs) ended.add(fingerprint);
      return ended.size > before;
    },
    nextChange: (nowMs) =>
      Math.min(
        Infinity,
        ...(loaded?.waivers ?? []).flatMap(({ fromMs, expiresMs }) => [fromMs, expiresMs]).filter((at) => at > nowMs),
      ),
  };
}

/**
 * What `match.nodes` knows a node by: what its certificate says. That is the name only where a Kubernetes cluster
 * confirmed it (its ids are UIDs, which no host can have); a host reports its own name, and has its id.
 */
function namesOf({ id, name }: WaivableFinding['node']): readonly string[] {
  return isNodeUid(id) ? [name, id] : [id];
}

function fingerprintOf(waiver: Waiver): string {
  return hash('sha256', JSON.stringify(waiver), 'hex').slice(0, 32);
}
