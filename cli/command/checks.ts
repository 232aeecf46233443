import { indexControls } from '../../posture/benchmark/benchmark.ts';
import { severityText } from '../../posture/check/check.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import { allChecks, exclusions, loadCatalog, problemsText } from '../../tailoring/catalog.ts';
import { defineCommand, EXIT_OK, outputOption } from '../command.ts';
import { printError } from '../print-error.ts';
import { printListing } from '../output/listing.ts';
import { documentCheck } from '../scan/document-check.ts';
import { unknownCheck } from '../scan/known.ts';

export const checks = defineCommand({
  name: 'checks',
  summary: 'list the checks, and test custom ones',
  usage: ['checks [options]', 'checks test FILE… [--recording DIR]'],
  description: [
    'Lists every check with its severity and the condition under which it passes, custom checks of the setting checks-file included; with --profile, which checks it excludes. plimsoll explain CHECK shows the rationale and the remediation.',
    'test loads files with custom checks, prints everything that is wrong with them, by line, and runs the cases (documents of kind CheckTest) of these files: on values that a case gives, or on a node that plimsoll record recorded. Without cases, --recording prints what each check says about the recorded node. docs/tailoring.md describes both.',
  ],
  operands: { min: 0, max: 100, completes: 'checksAction' },
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
    {
      name: 'recording',
      value: 'DIR',
      completes: 'directory',
      summary: 'with test: the recorded node for cases that name none',
    },
    outputOption('table', 'wide', 'json', 'ndjson', 'csv', 'name', 'junit', 'jsonpath='),
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll checks --check container', meaning: 'what is judged about each container' },
    { line: 'plimsoll checks --output json', meaning: 'with rationale and remediation' },
    { line: 'plimsoll checks test acme.yaml', meaning: 'whether custom checks answer as expected' },
    {
      line: 'plimsoll checks test acme.yaml --recording ./node-17',
      meaning: 'what they say about a recorded node',
    },
  ],
  exits: [
    '  0  success; with test: every case has the expected verdict',
    '  1  with test: a case has another verdict',
    '  2  wrong usage, or a file is wrong',
  ],
  run: async (context) => {
    const { args, paint, settings } = context;
    const [action, ...files] = args.operands;
    if (action === 'test' && files.length > 0) {
      const { testChecks } = await import('../checks/test.ts');
      return testChecks(context, files);
    }
    if (action === 'test') return printError(context, 'checks test needs a file', SEE_HELP);
    if (action !== undefined) return printError(context, `checks has no action ${JSON.stringify(action)}`, SEE_HELP);
    if (args.has('recording')) return printError(context, '--recording belongs to checks test', SEE_HELP);
    if (args.value('output') === 'junit') return printError(context, '--output junit belongs to checks test', SEE_HELP);
    const loaded = await loadCatalog(settings);
    if (!loaded.ok) return printError(context, problemsText(loaded.problems));
    const { benchmarks } = loaded.catalog;
    const [all, excluded] = [allChecks(loaded.catalog), exclusions(loaded.catalog)];
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
    const items = shown.map((check) => {
      const reason = excluded.get(check.id);
      const document = documentCheck(check, controlsOf);
      return reason === undefined ? document : { ...document, excluded: reason };
    });
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
        excluded.has(check.id)
          ? { text: 'excluded', paint: paint.dim }
          : { text: severityText(check), paint: (text) => paint.severity(check.severity, text) },
        { text: check.judges },
        { text: check.title },
      ]),
      empty: 'No matching checks.',
    });
    return EXIT_OK;
  },
});

const SEE_HELP = 'see: plimsoll checks --help';
