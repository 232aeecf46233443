import { indexControls } from '../../posture/benchmark/benchmark.ts';
import { severityText } from '../../posture/check/check.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import { loadCatalog, problemsText } from '../../tailoring/catalog.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import { printError } from '../print-error.ts';
import { printListing } from '../output/listing.ts';
import { documentCheck } from '../scan/document-check.ts';
import { unknownCheck } from '../scan/known.ts';

export const checks = defineCommand({
  name: 'checks',
  summary: 'list the checks',
  usage: ['checks [options]'],
  description: [
    'Lists every check with its severity and the condition under which it passes, custom checks of the setting checks-file included. plimsoll explain CHECK shows the rationale and the remediation.',
  ],
  operands: { min: 0, max: 0 },
  options: [
    {
      name: 'check',
      value: 'CHECK',
      repeated: true,
      completes: 'check',
      summary: 'only this check, or an area such as ssh',
    },
    {
      name: 'severity',
      value: 'SEVERITY',
      choices: SEVERITIES,
      repeated: true,
      summary: 'only checks whose failures can have this severity',
    },
    OUTPUT_OPTION,
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll checks --check container', meaning: 'what is judged about each container' },
    { line: 'plimsoll checks --output json', meaning: 'with rationale and remediation' },
  ],
  run: async (context) => {
    const { args, paint, settings } = context;
    const loaded = await loadCatalog(settings);
    if (!loaded.ok) return printError(context, problemsText(loaded.problems));
    const { checks: all, benchmarks } = loaded.catalog;
    const [wanted, severities] = [args.values('check'), args.values('severity')];
    for (const word of wanted) {
      const problem = unknownCheck(word, all);
      if (problem !== undefined) return printError(context, problem, 'see: plimsoll checks');
    }
    const shown = all.filter(
      ({ id, severity, severityLevels = [{ severity }] }) =>
        (wanted.length === 0 || wanted.some((word) => id === word || id.startsWith(`${word}.`))) &&
        (severities.length === 0 || severityLevels.some((level) => severities.includes(level.severity))),
    );
    const controlsOf = indexControls(benchmarks);
    const items = shown.map((check) => documentCheck(check, controlsOf));
    await printListing(context, {
      document: { checks: items },
      items,
      names: items.map(({ id }) => id),
      columns: [
        { title: 'CHECK', min: 24 },
        { title: 'SEVERITY' },
        { title: 'JUDGES', wide: true },
        { title: 'PASSES WHEN' },
      ],
      rows: shown.map((check) => [
        { text: check.id },
        { text: severityText(check), paint: (text) => paint.severity(check.severity, text) },
        { text: check.judges },
        { text: check.title },
      ]),
      empty: 'No matching checks.',
    });
    return EXIT_OK;
  },
});
