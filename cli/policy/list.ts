import { exemptionList, policyList } from '../../api/policy.ts';
import type { ExemptionList, ListedPolicy } from '../../api/policy.ts';
import { dateTime } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import { connect } from '../api/connect.ts';
import { EXIT_ISSUES, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { printFailure } from '../print-error.ts';
import type { Cell } from '../render/table.ts';

/** Prints the policies of the collector with their conditions. Exits with 1 where its policy files are wrong. */
export async function listPolicies(context: Context): Promise<number> {
  const client = await connect(context.settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const answer = await client.value.get('/v1/policies', policyList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const { policies, problems } = answer.value;
  await printListing(context, {
    document: answer.value,
    items: policies,
    names: policies.map(({ name }) => name),
    columns: [
      { title: 'KIND' },
      { title: 'NAME' },
      { title: 'MODE' },
      { title: 'FOR', min: 12 },
      { title: 'CONDITIONS', min: 24 },
      { title: 'FILE', wide: true },
    ],
    rows: policies.map((policy) => [
      { text: policy.kind },
      { text: policy.name, paint: context.paint.bold },
      { text: policy.mode },
      { text: coverageOf(policy) },
      { text: policy.conditions.map(({ text }) => text).join('; ') },
      { text: policy.source },
    ]),
    empty: 'No policies.',
  });
  for (const { source, problem } of problems)
    await context.stderr.write(`plimsoll: ${safe(`${source}: ${problem}`)}; the policies above stay in use\n`);
  return problems.length > 0 ? EXIT_ISSUES : EXIT_OK;
}

function coverageOf({ images, namespaces, clients }: ListedPolicy): string {
  return [
    ...(images.length === 0 ? [] : [images.join(', ')]),
    ...(namespaces.length === 0 ? [] : [`in ${namespaces.join(', ')}`]),
    ...(clients.length === 0 ? [] : [`clients ${clients.join(', ')}`]),
  ].join(' ');
}

/** Prints what waivers, policies and the admission webhook leave out. */
export async function listExemptions(context: Context): Promise<number> {
  const client = await connect(context.settings, new AbortController().signal);
  if (!client.ok) return printFailure(context, client.problem);
  const answer = await client.value.get('/v1/policies/exemptions', exemptionList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const { waivers, namespaces, exceptions, namespacesProblem, omittedWaivers } = answer.value;
  await printListing(context, {
    document: answer.value,
    items: [...waivers, ...namespaces, ...exceptions],
    names: [
      ...waivers.map(({ source }) => source),
      ...namespaces.map(({ name }) => name),
      ...exceptions.map(({ policy, place }) => `${policy} ${place}`),
    ],
    columns: [
      { title: 'KIND' },
      { title: 'LEFT OUT', min: 24 },
      { title: 'EXPIRES' },
      { title: 'WHY', min: 16 },
      { title: 'FROM', min: 12 },
    ],
    rows: [
      ...waivers.map((waiver) => waiverRow(waiver, context)),
      ...namespaces.map(({ name, origin, because }): readonly Cell[] => [
        { text: 'namespace' },
        { text: name },
        { text: 'never' },
        { text: origin === 'setting' ? '' : because, paint: context.paint.bad },
        { text: origin === 'setting' ? 'kubernetes-admission-exempt' : 'its labels' },
      ]),
      ...exceptions.map(({ policy, place, text }): readonly Cell[] => [
        { text: 'exception' },
        { text },
        { text: 'never' },
        { text: '' },
        { text: `${policy} ${place}` },
      ]),
    ],
    empty: 'Nothing is left out.',
  });
  if (namespacesProblem !== null)
    await context.stderr.write(
      `plimsoll: which namespaces are left out by their labels is not known: ${safe(namespacesProblem)}\n`,
    );
  if (omittedWaivers > 0)
    await context.stderr.write(`plimsoll: ${String(omittedWaivers)} more waivers are not shown\n`);
  return EXIT_OK;
}

function waiverRow(waiver: ExemptionList['waivers'][number], { paint }: Pick<Context, 'paint'>): readonly Cell[] {
  const { ids, packages, images, expiresMs, isExpired, reason, owner, source, policy } = waiver;
  const what = [
    ids.join(', '),
    ...(packages.length === 0 ? [] : [`in ${packages.join(', ')}`]),
    ...(images.length === 0 ? [] : [`of ${images.join(', ')}`]),
  ].join(' ');
  return [
    { text: 'waiver' },
    { text: what },
    isExpired
      ? { text: 'expired', paint: paint.bad, value: expiresMs }
      : { text: dateTime(expiresMs), value: expiresMs },
    { text: `${reason} (${owner})` },
    { text: policy === null ? source : `${source}, policy ${policy}` },
  ];
}
