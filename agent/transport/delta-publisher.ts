import { addToDigest, EMPTY_DIGEST, findingHash, removeFromDigest } from '../../posture/digest.ts';
import type { Delta, FindingSet } from '../../posture/delta.ts';
import { deltaSize } from '../../posture/delta.ts';
import type { Finding } from '../../posture/finding.ts';
import type { WireFinding } from '../../proto/finding-codec.ts';
import type { Logger } from '../../service/log.ts';
import type { DeltaContent } from './delta-parts.ts';
import type { Spool } from './spool.ts';
import { fitToWire } from './wire-limits.ts';

/** What the collector knows or will receive of this node: the current findings and the waiting changes. */
export interface DeltaPublisher {
  /**
   * The findings are now `findings`, which goes on to change with later calls; `delta` is what changed since the last
   * call. The first call of a process cannot know what the collector knows: nothing is spooled, and a full transfer
   * follows what waits from before. Until that is committed, a finding of the first call that changes or goes is spooled
   * first, so that the collector hears of it.
   */
  readonly publish: (findings: FindingSet, delta: Delta, observedAtMs: number) => void;
  /**
   * All findings, as a delta that replaces everything; every later delta is relative to it. `instead`: of what waits in
   * the spool, too.
   */
  readonly takeSnapshot: (observedAtMs: number, instead: boolean) => DeltaContent;
  /** Digest and number of the findings, as the collector reads them. */
  readonly digest: () => { readonly digest: number; readonly findings: number };
}

/** A publisher on `spool`. */
export function createDeltaPublisher(spool: Spool, log: Logger): DeltaPublisher {
  /** Hash of each finding under the digest, by our id. */
  const hashes = new Map<string, number>();
  /** The ids of those whose id is too long for the wire, as the collector knows them, by our id. */
  const shortened = new Map<string, string>();
  let findings: FindingSet = new Map();
  let digest = EMPTY_DIGEST;
  let started = false;
  /** Open findings of the first call that no committed transfer holds yet, and that were not spooled. */
  let unsent = new Map<string, Finding>();
  let unsentAtMs = 0;

  const count = (finding: Finding): WireFinding | undefined => {
    const sent = fitToWire(finding);
    discount(finding.id);
    if (sent === undefined) {
      log.error({ finding: finding.id.slice(0, 200) }, 'finding left out, the collector would refuse it');
      return undefined;
    }
    const hash = findingHash(sent.read);
    hashes.set(finding.id, hash);
    if (sent.read.id !== finding.id) shortened.set(finding.id, sent.read.id);
    digest = addToDigest(digest, hash);
    return sent.wire;
  };
  const discount = (id: string): boolean => {
    const hash = hashes.get(id);
    if (hash === undefined) return false;
    digest = removeFromDigest(digest, hash);
    return hashes.delete(id);
  };

  /** Spools what the first call said of findings that are about to change or go. */
  const spoolFirst = ({ changed, gone }: Delta): void => {
    if (unsent.size === 0) return;
    if (spool.status().resync === undefined) {
      unsent.clear();
      return;
    }
    const put: WireFinding[] = [];
    for (const id of [...changed.map((finding) => finding.id), ...gone]) {
      const finding = unsent.get(id);
      if (finding !== undefined) put.push(...wireOf([finding]));
      unsent.delete(id);
    }
    if (put.length > 0) spool.append({ put, gone: [], observedAtMs: unsentAtMs });
  };

  return {
    publish: (after, delta, observedAtMs) => {
      findings = after;
      if (!started) {
        started = true;
        for (const finding of after.values()) count(finding);
        unsent = new Map([...after].filter(([, { verdict }]) => verdict !== 'pass' && verdict !== 'notApplicable'));
        unsentAtMs = observedAtMs;
        spool.requireResync('the agent was started');
        return;
      }
      if (deltaSize(delta) === 0) return;
      spoolFirst(delta);
      const gone = delta.gone.filter(discount).map((id) => shortened.get(id) ?? id);
      for (const id of delta.gone) shortened.delete(id);
      const put = [...delta.added, ...delta.changed].map(count).filter((wire) => wire !== undefined);
      if (gone.length + put.length > 0) spool.append({ put, gone, observedAtMs });
    },
    takeSnapshot: (observedAtMs, instead) => {
      // The set goes on to change while the snapshot is sent; what changes then follows as deltas.
      const whole = [...findings.values()];
      return { sequence: spool.beginSnapshot(instead), snapshot: true, put: wireOf(whole), gone: [], observedAtMs };
    },
    digest: () => ({ digest, findings: hashes.size }),
  };
}

/** Made one at a time: a snapshot of a large node is sent in parts, which should not be in memory twice. */
function* wireOf(findings: readonly Finding[]): Generator<WireFinding> {
  for (const finding of findings) {
    const sent = fitToWire(finding);
    if (sent !== undefined) yield sent.wire;
  }
}
