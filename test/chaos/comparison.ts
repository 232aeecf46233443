import { fitToWire } from '../../agent/transport/wire-limits.ts';
import type { NodeAccess } from '../../agent/node-access.ts';
import { scanOnce } from '../../agent/scan.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { findingContent } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';

/**
 * Checks whose answer is about the process that looks, or about the moment: a scan by another process at another time
 * says something else, rightly.
 */
const NOT_COMPARED: ReadonlySet<string> = new Set([
  // The agent's own memory and CPU time.
  'agent.resource-budget',
  // An agent lists the files of images in the background, a scan does not.
  'image.setuid-files',
]);

/**
 * A fresh look at the node, each finding as the collector would read it off the wire. By finding id. Rejects where the
 * engine does not tell of its containers.
 */
export async function freshScan(open: () => Promise<NodeAccess>): Promise<ReadonlyMap<string, Finding>> {
  const { facts, findings } = await scanOnce({ access: await open(), checks: CHECKS });
  const { containers } = facts;
  if (containers.state === 'unreadable')
    throw new Error(`the scan could not see ${containers.source}: ${containers.reason}`);
  const read = findings.map((finding) => fitToWire(finding)?.read).filter((finding) => finding !== undefined);
  return new Map(read.map((finding) => [finding.id, finding]));
}

/**
 * Where the findings that a collector has differ from a scan, in words; empty: nowhere. All that a finding says counts:
 * title, verdict, severity, subject, each piece of evidence and the reason. Of those in `only`, by subject id, or of all.
 */
export function differences(
  stored: ReadonlyMap<string, Finding>,
  scanned: ReadonlyMap<string, Finding>,
  only?: ReadonlySet<string>,
): readonly string[] {
  const found: string[] = [];
  const isCompared = ({ check, subject }: Finding): boolean =>
    !NOT_COMPARED.has(check) && (only === undefined || only.has(subject.id));
  for (const [id, finding] of scanned) {
    const kept = stored.get(id);
    if (!isCompared(finding)) continue;
    if (kept === undefined) found.push(`not in the store: ${id}`);
    else if (findingContent(kept) !== findingContent(finding))
      found.push(`in the store ${findingContent(kept)}\n  in the scan  ${findingContent(finding)}`);
  }
  for (const [id, finding] of stored) if (isCompared(finding) && !scanned.has(id)) found.push(`not in the scan: ${id}`);
  return found;
}
