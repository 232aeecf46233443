import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** How one line of the kernel is to be read. `partly`: mitigated, but one clause of the line says vulnerable. */
type Reading = 'vulnerable' | 'partly' | 'unknown' | 'fine';

export const cpuVulnerabilities = nodeCheck({
  id: 'kernel.cpu-vulnerabilities',
  title: 'Known flaws of the processor are mitigated',
  severity: 'medium',
  rationale:
    'An unmitigated processor flaw lets a container read memory of the node or of its neighbours, whatever else confines it.',
  remediation:
    'Update kernel and microcode, take mitigations=off off the kernel command line, and restart; in a virtual machine, the host must pass on the new processor features.',
  references: ['https://docs.kernel.org/admin-guide/hw-vuln/index.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { cpuVulnerabilities: found } }) => {
    if (found.state === 'unreadable') return unknownBecause(`${found.source}: ${found.reason}`);
    if (found.state === 'absent')
      return unknownBecause(`${found.source} does not exist: this kernel does not say what it mitigates`);
    const lines: Record<Reading, Evidence[]> = { vulnerable: [], partly: [], unknown: [], fine: [] };
    // The list grows with the kernel: each file counts, known to us or not.
    for (const name of Object.keys(found.value).sort()) {
      const text = (found.value[name] ?? '').trim();
      lines[read(text)].push({ source: `${found.source}/${name}`, seen: quote(text), expected: 'not vulnerable' });
    }
    if (lines.vulnerable.length > 0) return fail(...lines.vulnerable, ...lines.partly);
    if (lines.partly.length > 0) return failAs('low', ...lines.partly);
    if (lines.unknown.length > 0)
      return unknownBecause(
        `the kernel cannot tell whether it is vulnerable: ${names(lines.unknown)}`,
        ...lines.unknown,
      );
    if (lines.fine.length === 0) return unknownBecause(`${found.source} is empty`);
    return pass({
      source: found.source,
      seen: `${String(lines.fine.length)} entries, none vulnerable`,
      expected: 'not vulnerable',
    });
  },
});

/**
 * Reads a line of /sys/devices/system/cpu/vulnerabilities: `Not affected`, `Mitigation: …`, `Vulnerable…` or
 * `Unknown…`; a mitigation may carry clauses such as `SMT vulnerable` or `BHI: Vulnerable`. `SMT Host state unknown`
 * is what every virtual machine says, and no verdict about its kernel.
 */
function read(text: string): Reading {
  if (/^vulnerable\b/i.test(text)) return 'vulnerable';
  if (/^unknown\b/i.test(text) || text === '') return 'unknown';
  return /\bvulnerable\b/i.test(text) ? 'partly' : 'fine';
}

function names(evidence: readonly Evidence[]): string {
  return evidence.map(({ source }) => source.slice(source.lastIndexOf('/') + 1)).join(', ');
}
