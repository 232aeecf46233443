import type { Severity, Verdict } from '../../posture/verdict.ts';
import type { Option } from '../command.ts';
import type { Context } from '../context.ts';
import { countFindings, evidenceLine, findingLabel } from '../render/finding.ts';
import type { ShownFinding } from '../render/finding.ts';
import { renderFindings } from '../render/finding-list.ts';
import type { Cell, Column } from '../render/table.ts';
import { isTable, printDocument, printListing } from './listing.ts';
import type { Listing } from './listing.ts';

/** `--by`, for commands that list findings. */
export const BY_OPTION: Option = Object.freeze({
  name: 'by',
  value: 'WHAT',
  choices: ['check', 'container', 'node', 'image'],
  excludes: ['watch', 'history'],
  summary:
    'count findings by check, container, node or image instead of listing them; containers count for their image',
});

/** Findings to print, with what surrounds them. */
export interface PrintedFindings<F extends ShownFinding> {
  readonly findings: readonly F[];
  /** The document for json. */
  readonly document: object;
  /** For ndjson and jsonpath, in the order of `findings`. */
  readonly items: readonly unknown[];
  /** What each finding is called in `--output name`. */
  readonly nameOf: (finding: F) => string;
  readonly nodeOf: (finding: F) => string;
  readonly nodeIdOf: (finding: F) => string;
  /** The image of a container; empty: not known. */
  readonly imageOf: (finding: F) => string;
  /** Why it does not count; empty: it counts. */
  readonly acceptedOf: (finding: F) => string;
  readonly empty: string;
}

/** Lines of a table of findings: the table itself is part of a page. `joined`: subjects of one mild check share a line. */
export function findingLines<F extends ShownFinding>(
  context: Context,
  { findings, nodeOf }: Pick<PrintedFindings<F>, 'findings' | 'nodeOf'>,
  joined: boolean,
): readonly string[] {
  const { tableWidth: width, paint } = context;
  const nodes = new Map<ShownFinding, string>(findings.map((finding) => [finding, nodeOf(finding)]));
  const several = new Set(nodes.values()).size > 1;
  const style = { width, paint, joined };
  return renderFindings(findings, several ? { ...style, nodeOf: (one) => nodes.get(one) ?? '' } : style);
}

/** Prints findings as `--output` and `--by` ask. */
export async function printFindings<F extends ShownFinding>(
  context: Context,
  printed: PrintedFindings<F>,
): Promise<void> {
  const { args, stdout, paint } = context;
  const { findings, nodeOf, nameOf, acceptedOf, document, items, empty } = printed;
  const by = args.value('by');
  if (by !== undefined) return printListing(context, groupListing(by, printed, context));
  if (isTable(context) && args.value('output') !== 'wide')
    return stdout.write(`${findings.length === 0 ? empty : findingLines(context, printed, false).join('\n')}\n`);
  // Thousands of rows are made only where they are printed.
  if (!['csv', 'name', 'wide'].includes(args.value('output') ?? '')) return printDocument(context, document, items);
  const columns = ['NODE', 'RESULT', 'CHECK', 'KIND', 'SUBJECT', 'SUBJECT ID', 'EVIDENCE', 'ACCEPTED'];
  return printListing(context, {
    document,
    items,
    names: findings.map(nameOf),
    columns: columns.map((title) => ({ title })),
    rows: findings.map((finding) => {
      const label = findingLabel(finding, paint);
      const { check, subject } = finding;
      return [
        { text: nodeOf(finding) },
        { ...label, value: label.text.trim().toLowerCase() },
        { text: check },
        { text: subject.kind },
        { text: subject.name, paint: paint.bold },
        { text: subject.id },
        { text: evidenceLine(finding) },
        { text: acceptedOf(finding) },
      ];
    }),
    empty,
  });
}

const COUNTED = Object.freeze(['critical', 'high', 'medium', 'low'] as const satisfies readonly Severity[]);
const OTHERS = Object.freeze(['unknown', 'manual', 'pass'] as const satisfies readonly Verdict[]);

/** One line per group, worst first. */
function groupListing<F extends ShownFinding>(by: string, printed: PrintedFindings<F>, { paint }: Context): Listing {
  const nameOf = groupNames(printed);
  const named = printed.findings.flatMap((finding) => {
    const name = nameOf[by as keyof typeof nameOf](finding);
    return name === undefined ? [] : [{ name, finding }];
  });
  const groups = [...Map.groupBy(named, ({ name }) => name)]
    .map(([name, members]) => {
      const { verdicts, failures } = countFindings(members.map(({ finding }) => finding));
      return { name, verdicts, failures };
    })
    .toSorted((one, other) => compareGroups(one, other));
  const title = (text: string, min?: number): Column => ({ title: text, ...(min === undefined ? {} : { min }) });
  const number = (text: string): Column => ({ title: text, align: 'right' });
  const cell = (count: number, colour: (text: string) => string): Cell => ({
    text: String(count),
    value: count,
    paint: count === 0 ? paint.dim : colour,
  });
  return {
    document: { by, groups },
    items: groups,
    names: groups.map(({ name }) => name),
    columns: [
      title(by.toUpperCase(), 24),
      ...['CRIT', 'HIGH', 'MED', 'LOW', 'UNKNOWN', 'MANUAL', 'PASSED'].map(number),
    ],
    rows: groups.map(({ name, failures, verdicts }) =>
      [{ text: name, paint: paint.bold } as Cell].concat(
        COUNTED.map((severity) => cell(failures[severity], (text) => paint.severity(severity, text))),
        OTHERS.map((verdict) => cell(verdicts[verdict], (text) => paint.verdict(verdict, text))),
      ),
    ),
    empty: printed.empty,
  };
}

type Group = { readonly name: string } & ReturnType<typeof countFindings>;

function compareGroups(one: Group, other: Group): number {
  for (const severity of COUNTED)
    if (one.failures[severity] !== other.failures[severity]) return other.failures[severity] - one.failures[severity];
  return other.verdicts.unknown - one.verdicts.unknown || (one.name < other.name ? -1 : 1);
}

/**
 * The name of the group of a finding; undefined: it has none, such as a finding about a file where containers are counted.
 * Names of nodes and containers are unique on what they belong to only: a node whose name others have is called by its
 * id, a container whose name is on several nodes by its node too.
 */
function groupNames<F extends ShownFinding>({ findings, nodeOf, nodeIdOf, imageOf }: PrintedFindings<F>) {
  const idsByName = valuesBy(findings, nodeOf, nodeIdOf);
  const about = findings.filter(isAboutContainer);
  const nodesOfContainer = valuesBy(about, ({ subject }) => subject.name, nodeIdOf);
  const isShared = (ids: ReadonlySet<string> | undefined): boolean => (ids?.size ?? 0) > 1;
  const nodeName = (finding: F): string =>
    isShared(idsByName.get(nodeOf(finding))) ? nodeIdOf(finding) : nodeOf(finding);
  return {
    check: ({ check }: F): string | undefined => check,
    node: (finding: F): string | undefined => nodeName(finding),
    container: (finding: F): string | undefined => {
      if (!isAboutContainer(finding)) return undefined;
      const { name } = finding.subject;
      return isShared(nodesOfContainer.get(name)) ? `${name} on ${nodeName(finding)}` : name;
    },
    image: (finding: F): string | undefined => {
      if (finding.subject.kind === 'image') return finding.subject.name;
      return isAboutContainer(finding) ? imageOf(finding) || '(unknown image)' : undefined;
    },
  };
}

function isAboutContainer({ subject }: ShownFinding): boolean {
  return subject.kind === 'container';
}

function valuesBy<F>(
  findings: readonly F[],
  keyOf: (finding: F) => string,
  valueOf: (finding: F) => string,
): ReadonlyMap<string, ReadonlySet<string>> {
  const groups = Map.groupBy(findings, keyOf);
  return new Map([...groups].map(([key, members]) => [key, new Set(members.map(valueOf))]));
}
