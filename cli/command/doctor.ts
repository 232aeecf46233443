import { safeJson } from '../../api/safe.ts';
import { DIAGNOSTIC_GROUPS, runDiagnostics } from '../../service/diagnostic.ts';
import type { DiagnosticReport } from '../../service/diagnostic.ts';
import { defineCommand, EXIT_OK, EXIT_ISSUES } from '../command.ts';
import { findInstallation } from '../doctor/installation.ts';
import { INSTALLATION_DIAGNOSTICS } from '../doctor/registry.ts';
import { countOutcomes, renderReport } from '../doctor/render.ts';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'examine this machine and installation',
  usage: ['doctor [options]'],
  description: [
    'Looks at everything that the program needs here, and says for each what it saw and what to do: the program itself, its settings, the data directory, certificates, the operator token, ports, the collector as operators and nodes reach it, Docker, what an agent may see of this node, the clock, and the sinks. It takes some seconds at most; no collector has to run.',
    'Nothing is changed, and no secret is shown. What this user may not see is told as unknown: run it as the user who runs the collector or agent, with the same settings.',
    'ok: as it should be; warning: it works, but look at it; problem: it does not work; unknown: it could not be seen.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    { name: 'output', value: 'FORMAT', choices: ['table', 'json'], summary: 'table: for people (default); json' },
  ],
  settings: ['collector', 'agent', 'up', 'scan', 'client'],
  examinesSettings: true,
  issue: 'there are problems; warnings do not count',
  examples: [
    { line: 'plimsoll doctor', meaning: 'before the first start, or when something does not work' },
    { line: 'sudo plimsoll doctor --data-dir /var/lib/plimsoll', meaning: 'as the user who runs the services' },
    { line: 'plimsoll doctor --output json', meaning: 'for a program, or for a report of a defect' },
  ],
  run: async (context) => {
    const { args, stdout, width, paint, clock, programs } = context;
    const over = new AbortController();
    try {
      const installation = await findInstallation(context, over.signal);
      const [here, node] = await Promise.all([
        runDiagnostics(INSTALLATION_DIAGNOSTICS, installation, clock),
        programs.examine({ settings: installation.agent, signal: over.signal }),
      ]);
      const reported = inOrder([...here, ...node]);
      const text =
        args.value('output') === 'json'
          ? safeJson({ counts: countOutcomes(reported), examinations: reported }, 2)
          : renderReport(reported, { width, paint }).join('\n');
      await stdout.write(`${text}\n`);
      return reported.some(({ outcome }) => outcome === 'problem') ? EXIT_ISSUES : EXIT_OK;
    } finally {
      over.abort();
    }
  },
});

function inOrder(reported: readonly DiagnosticReport[]): readonly DiagnosticReport[] {
  return DIAGNOSTIC_GROUPS.flatMap((group) => reported.filter((one) => one.group === group));
}
