import type { ListedWaiver } from '../../api/waiver.ts';
import { loadWaiverFiles } from '../../image/policy/waiver-files.ts';
import type { FileProblem } from '../../image/policy/yaml-files.ts';
import { waiverEnd } from '../../policy/waiver.ts';

/** The waivers of files, or what is wrong with the files. What they accept is not known. */
export async function waiversOfFiles(
  paths: readonly string[],
  nowMs: number,
): Promise<
  | { readonly ok: true; readonly waivers: readonly ListedWaiver[] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] }
> {
  const loaded = await loadWaiverFiles(paths, nowMs);
  if (!loaded.ok) return loaded;
  const nothing = { checks: [], subjects: [], nodes: [], imageIds: [], vulnerabilities: [], packages: [], images: [] };
  const stateAt = (fromMs: number, expiresMs: number): ListedWaiver['state'] =>
    nowMs >= expiresMs ? 'expired' : nowMs < fromMs ? 'pending' : 'notReviewed';
  const ofFindings = loaded.findingWaivers.map((waiver): ListedWaiver => {
    const { name, owner, reason, match, fromMs, expiresMs } = waiver;
    return {
      target: 'findings',
      name,
      owner,
      reason,
      from: fromMs === 0 ? null : new Date(fromMs).toISOString().slice(0, 10),
      expires: waiverEnd(expiresMs),
      state: stateAt(fromMs, expiresMs),
      findings: null,
      images: null,
      match: { ...nothing, ...match },
    };
  });
  const ofVulnerabilities = loaded.waivers.map((waiver): ListedWaiver => {
    const { source: name, owner, reason, ids: vulnerabilities, packages, images, expiresAt } = waiver;
    return {
      target: 'vulnerabilities',
      name,
      owner,
      reason,
      from: null,
      expires: waiverEnd(expiresAt),
      state: stateAt(0, expiresAt),
      findings: null,
      images: null,
      match: { ...nothing, vulnerabilities, packages, images },
    };
  });
  const waivers = [...ofFindings, ...ofVulnerabilities];
  return { ok: true, waivers: waivers.toSorted((one, other) => (one.expires < other.expires ? -1 : 1)) };
}
