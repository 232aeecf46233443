import { safe } from '../../api/safe.ts';
import type { ExplainedReason, ExplainedRule, Explanation, RuleResult } from '../../policy/explain/explanation.ts';
import type { Outcome } from '../../policy/decide.ts';
import type { Context } from '../context.ts';
import { renderTable } from '../render/table.ts';
import type { Cell, Column } from '../render/table.ts';
import { wrap, wrapHard } from '../render/width.ts';
import type { ExplainedBy } from './explain-sources.ts';

const OUTCOMES: Readonly<Record<Outcome, string>> = {
  allow: 'allowed',
  deny: 'denied',
  couldNotTell: 'not allowed: could not tell',
};
const RESULTS: Readonly<Record<RuleResult, string>> = { pass: 'pass', violation: 'violated', unknown: 'unknown' };

/** Explanations for people: for each the policies, the rules, and what to do. */
export function explanationText(
  explanations: readonly Explanation[],
  sources: ExplainedBy,
  context: Pick<Context, 'width' | 'tableWidth' | 'paint' | 'args'>,
): string {
  const lines = explanations.flatMap((one, index) => [...(index === 0 ? [] : ['']), ...linesOf(one, context)]);
  return `${[...lines, '', ...wrap(originText(sources), context.width)].join('\n')}\n`;
}

function originText({ origin, snapshot }: ExplainedBy): string {
  const issued = new Date(snapshot.issuedAt).toISOString();
  switch (origin) {
    case 'files':
      return 'Decided by policy files, which hold no verdicts on images: a rule that needs evidence is unknown. plimsoll gate IMAGE judges the image itself.';
    case 'snapshot':
      return `Decided by snapshot ${String(snapshot.version)}, issued ${issued}.`;
    case 'collector':
      return `Decided by snapshot ${String(snapshot.version)} of the collector, issued ${issued}.`;
  }
}

/** Kinds whose outcome is their own. */
const WITHOUT_PODS: ReadonlySet<string> = new Set(['Container', 'Image', 'Pod']);

type Layout = Pick<Context, 'width' | 'tableWidth' | 'paint' | 'args'>;

function linesOf(explanation: Explanation, layout: Layout): readonly string[] {
  const { kind, name, namespace, outcome, policies, rules, notes } = explanation;
  const { paint, width } = layout;
  const isJudged = policies.length + rules.length > 0;
  const paintOutcome = outcome === 'allow' ? paint.good : paint.bad;
  const where = namespace === undefined ? '' : ` in namespace ${safe(namespace)}`;
  const title = kind === 'Image' ? safe(name) : `${safe(kind)} ${safe(name)}`;
  const what = WITHOUT_PODS.has(kind) || !isJudged ? '' : 'pods ';
  return [
    `${paint.bold(title)}${where}: ${what}${isJudged ? paintOutcome(OUTCOMES[outcome]) : 'not judged'}`,
    ...notes.flatMap((note) => indent(wrapHard(safe(note), width - 2))),
    ...policyLines(explanation, layout),
    ...ruleLines(rules, layout),
    ...adviceLines(rules, layout),
  ];
}

function policyLines({ policies }: Explanation, layout: Layout): readonly string[] {
  if (policies.length === 0) return [];
  const hasImages = countImages(policies) > 1;
  const columns = [
    { title: 'POLICY' },
    { title: 'KIND', min: 11 },
    { title: 'MODE' },
    { title: 'DECIDES' },
    ...(hasImages ? [{ title: 'IMAGE', min: 12 }] : []),
    { title: 'WHY', min: 24 },
  ];
  const rows = policies.map(({ kind, name, mode, decides, image, why }): readonly Cell[] => [
    { text: name, paint: layout.paint.bold },
    { text: kind },
    { text: mode },
    { text: decides ? 'yes' : 'no' },
    ...(hasImages ? [{ text: image }] : []),
    { text: why },
  ]);
  return tableLines(columns, rows, layout);
}

function ruleLines(rules: readonly ExplainedRule[], layout: Layout): readonly string[] {
  if (rules.length === 0) return [];
  const { paint } = layout;
  const hasImages = countImages(rules) > 1;
  const columns = [
    { title: 'RESULT' },
    { title: 'MODE' },
    { title: 'POLICY' },
    { title: 'RULE', min: 13 },
    { title: 'TYPE', min: 13 },
    ...(hasImages ? [{ title: 'IMAGE', min: 12 }] : []),
    { title: 'EVIDENCE', min: 12 },
  ];
  const rows = rules.map(({ result, mode, policy, rule, type, image, evidence, reasons }): readonly Cell[] => [
    { text: RESULTS[result], paint: result === 'pass' ? paint.good : paint.bad },
    { text: mode },
    { text: policy || '-' },
    { text: rule || '-' },
    { text: type },
    ...(hasImages ? [{ text: image }] : []),
    { text: reasons.length === 0 ? evidence : reasons.map(({ actual }) => actual).join('; ') },
  ]);
  return tableLines(columns, rows, layout);
}

function countImages(about: readonly { readonly image: string }[]): number {
  return new Set(about.flatMap(({ image }) => (image === '' ? [] : [image]))).size;
}

function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { tableWidth, args }: Layout,
): readonly string[] {
  const width = args.value('output') === 'wide' ? Infinity : tableWidth - 2;
  return ['', ...indent(renderTable(columns, rows, width))];
}

function adviceLines(rules: readonly ExplainedRule[], { width, paint }: Layout): readonly string[] {
  const advised = new Map<string, string>();
  for (const rule of rules)
    for (const reason of rule.reasons) {
      const text = adviceOf(rule, reason);
      advised.set(text, text);
    }
  if (advised.size === 0) return [];
  const lines = [...advised.values()].flatMap((text, index) => {
    const number = `${String(index + 1)}. `;
    return wrapHard(text, width - 2 - number.length).map(
      (line, at) => (at === 0 ? number : ' '.repeat(number.length)) + line,
    );
  });
  return ['', `  ${paint.bold('What to do')}`, ...indent(lines)];
}

function adviceOf(
  { type, image }: ExplainedRule,
  { path, actual, expected, action, message }: ExplainedReason,
): string {
  const about = [path, image].filter((part) => part !== '').join(' ');
  return safe(
    `${about === '' ? '' : `${about}: `}${type}: ${actual}; expected ${expected}. ${action}${message === undefined ? '' : ` ${message}`}`,
  );
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line === '' ? '' : `  ${line}`));
}
