import { isTable, printDocument } from '../output/listing.ts';
import { runDiagnostics } from '../../service/diagnostic.ts';
import { defineCommand, EXIT_OK, EXIT_ISSUES, outputOption, QUIET_OPTION } from '../command.ts';
import { findInstallation } from '../doctor/installation.ts';
import { INSTALLATION_DIAGNOSTICS } from '../doctor/registry.ts';
import { countOutcomes, renderReport } from '../doctor/render.ts';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'diagnose this machine and installation',
  usage: ['doctor [options]'],
  description: [
    'Examines what the program needs on this machine, and prints for each diagnostic what was observed and what to do: settings, data directory, store, certificates, operator token, ports, operator API, collector connection, sinks, clients of the admission webhook, Docker engine, permissions of the agent, inotify limits, and the broker. It takes a few seconds and needs no running collector.',
    'With --broker, the node is not examined, but the broker that reads it: its socket and who can replace it, whether it answers, its version, its capabilities, and what is unknown without them.',
    'It changes nothing and prints no secrets. What this user cannot read is reported as unknown: run it as the user who runs the collector or the agent, with the same settings.',
    'ok: no problem; warning: it works, but needs attention; problem: it does not work; unknown: it could not be read.',
  ],
  operands: { min: 0, max: 0 },
  options: [outputOption('table', 'json', 'jsonpath='), QUIET_OPTION],
  settings: ['collector', 'agent', 'up', 'scan', 'client', 'admission'],
  examinesSettings: true,
  issue: 'at least one problem; warnings do not count',
  examples: [
    { line: 'plimsoll doctor', meaning: 'before the first start, or when something does not work' },
    { line: 'sudo plimsoll doctor --data-dir /var/lib/plimsoll', meaning: 'as the user who runs the services' },
    {
      line: 'plimsoll doctor --broker unix:///run/plimsoll/broker.sock',
      meaning: 'an agent that reads the node through a broker',
    },
    { line: 'plimsoll doctor --output json', meaning: 'for a script, or to attach to a bug report' },
  ],
  run: async (context) => {
    const { stdout, width, paint, invocation, clock, programs } = context;
    const over = new AbortController();
    try {
      const installation = await findInstallation(context, over.signal);
      const [here, node] = await Promise.all([
        runDiagnostics(INSTALLATION_DIAGNOSTICS, installation, clock),
        programs.examine({ settings: installation.agent, signal: over.signal }),
      ]);
      const reported = [...here, ...node];
      if (isTable(context)) await stdout.write(`${renderReport(reported, { width, paint, invocation }).join('\n')}\n`);
      else await printDocument(context, { counts: countOutcomes(reported), diagnostics: reported }, reported);
      return reported.some(({ outcome }) => outcome === 'problem') ? EXIT_ISSUES : EXIT_OK;
    } finally {
      over.abort();
    }
  },
});
