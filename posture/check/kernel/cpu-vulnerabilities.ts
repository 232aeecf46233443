import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** The meaning of one line of the kernel. `partly`: mitigated, but one clause of the line says vulnerable. */
type Reading = 'vulnerable' | 'partly' | 'unknown' | 'fine';

export const cpuVulnerabilities = nodeCheck({
  id: 'kernel.cpu-vulnerabilities',
  title: 'Known CPU vulnerabilities are mitigated',
  failTitle: 'CPU vulnerabilities are not fully mitigated',
  judgedBy: 'effect',
  severity: 'medium',
  severityLevels: [
    { severity: 'medium', when: 'the kernel reports a vulnerability without mitigation' },
    { severity: 'low', when: 'a mitigation is incomplete' },
  ],
  rationale:
    'An unmitigated CPU vulnerability lets a container read memory of the host or of other containers, whatever else confines it.',
  remediation:
    'Update kernel and microcode, remove mitigations=off from the kernel command line, and restart. For a virtual machine, the hypervisor must pass on the new CPU features.',
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
    if (lines.vulnerable.length > 0)
      return fail(`the CPU is vulnerable to ${names(lines.vulnerable)}`, ...lines.vulnerable, ...lines.partly);
    if (lines.partly.length > 0)
      return failAs('low', `mitigations are incomplete: ${names(lines.partly)}`, ...lines.partly);
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
