import { CHECKS } from '../../posture/check/registry.ts';
import { severityText } from '../../posture/check/check.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
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
    'Lists every check with its severity and the condition under which it passes. plimsoll explain CHECK shows the rationale and the remediation.',
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
    const { args, paint } = context;
    const [wanted, severities] = [args.values('check'), args.values('severity')];
    for (const word of wanted) {
      const problem = unknownCheck(word);
      if (problem !== undefined) return printError(context, problem, 'see: plimsoll checks');
    }
    const shown = CHECKS.filter(
      ({ id, severity, severityLevels = [{ severity }] }) =>
        (wanted.length === 0 || wanted.some((word) => id === word || id.startsWith(`${word}.`))) &&
        (severities.length === 0 || severityLevels.some((level) => severities.includes(level.severity))),
    );
    const items = shown.map(documentCheck);
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
