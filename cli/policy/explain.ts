import { safe } from '../../api/safe.ts';
import { explainContainer } from '../../policy/explain/explain-container.ts';
import { explainImage } from '../../policy/explain/explain-image.ts';
import { explainObject } from '../../policy/explain/explain-object.ts';
import type { Explanation } from '../../policy/explain/explanation.ts';
import { EXIT_FAILURE, EXIT_ISSUES, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { isTable, printListing } from '../output/listing.ts';
import { printError } from '../print-error.ts';
import { readSources } from './explain-sources.ts';
import type { ExplainedBy } from './explain-sources.ts';
import { explanationText } from './explain-text.ts';
import { isManifestOperand, readObjects } from './read-objects.ts';

/**
 * Prints how the policies decide on images and on objects of manifests. Answers 1 where one of them, or its pods, may
 * not run.
 */
export async function explain(context: Context, operands: readonly string[]): Promise<number> {
  const sources = await readSources(context);
  if (sources === undefined) return EXIT_FAILURE;
  const explanations: Explanation[] = [];
  for (const operand of operands) {
    const explained = isManifestOperand(operand)
      ? await explainFile(context, operand, sources)
      : explainReference(context, operand, sources);
    if (explained === undefined) return EXIT_FAILURE;
    explanations.push(...explained);
  }
  if (isTable(context)) await context.stdout.write(explanationText(explanations, sources, context));
  else await printForPrograms(context, explanations, sources);
  return explanations.every(({ outcome }) => outcome === 'allow') ? EXIT_OK : EXIT_ISSUES;
}

/** The image; and as a container of Docker, where there are policies for that. */
function explainReference(context: Context, reference: string, { snapshot }: ExplainedBy): readonly Explanation[] {
  const namespace = context.args.value('namespace');
  const subject = { reference, digest: undefined, namespace };
  const sources = { snapshot, now: context.clock.now() };
  const { decision: _decision, ...explained } = explainImage(subject, sources);
  const client = context.args.value('client');
  return [
    { kind: 'Image', name: reference, namespace, created: explained.outcome, ...explained },
    ...(snapshot.containerPolicies.length === 0 ? [] : [explainContainer({ reference, client }, sources)]),
  ];
}

async function explainFile(
  context: Context,
  operand: string,
  { snapshot }: ExplainedBy,
): Promise<readonly Explanation[] | undefined> {
  const read = await readObjects(operand, context.workingDirectory);
  if (!read.ok) {
    await printError(context, `${operand === '-' ? 'standard input' : safe(operand)} ${read.reason}`);
    return undefined;
  }
  const now = context.clock.now();
  return read.objects.map(({ kind, name, object, namespace }) =>
    explainObject(
      { kind, name, object, namespace: namespace ?? context.args.value('namespace') ?? 'default' },
      { snapshot, now },
    ),
  );
}

async function printForPrograms(
  context: Context,
  explanations: readonly Explanation[],
  { origin, snapshot: { version, issuedAt } }: ExplainedBy,
): Promise<void> {
  const rows = explanations.flatMap((one) => one.rules.map((rule) => ({ one, rule })));
  await printListing(context, {
    document: {
      origin,
      ...(origin === 'files' ? {} : { snapshot: { version, issuedMs: issuedAt } }),
      explanations,
    },
    items: explanations,
    names: explanations.map(({ kind, name }) => (kind === 'Image' ? name : `${kind}/${name}`)),
    columns: ['kind', 'name', 'namespace', 'outcome', 'policy', 'rule', 'type', 'mode', 'image', 'result', 'why'].map(
      (title) => ({ title }),
    ),
    rows: rows.map(({ one, rule }) =>
      [
        one.kind,
        one.name,
        one.namespace ?? '',
        one.outcome,
        rule.policy,
        rule.rule,
        rule.type,
        rule.mode,
        rule.image,
        rule.result,
        rule.reasons.map(({ actual }) => actual).join('; '),
      ].map((text) => ({ text })),
    ),
    empty: '',
  });
}
