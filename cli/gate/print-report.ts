import { safeJson } from '../../api/safe.ts';
import type { Context } from '../context.ts';
import { writeOutput } from '../output/output-file.ts';
import { codeQualityDocument } from './code-quality.ts';
import { junitDocument } from './junit.ts';
import { reportDocument, reportItems } from './report.ts';
import type { GateReport } from './report.ts';
import { sarifDocument } from './sarif.ts';
import { reportLines } from './table.ts';

/**
 * Prints a report as `--output` asks. With `--output-file` the report goes there, and the table for people is printed.
 * Rejects where the file cannot be written; then it is as it was.
 */
export async function printReport(context: Context, report: GateReport): Promise<void> {
  const { args, stdout, template } = context;
  const format = args.value('output') ?? 'table';
  const file = args.value('output-file');
  const text =
    template === undefined
      ? formatReport(report, format, file === undefined ? context : { ...context, paint: unpainted(context) })
      : template({ ...reportDocument(report), items: reportItems(report) });
  if (file === undefined) return stdout.write(text);
  await writeOutput(context, file, text);
  return stdout.write(formatReport(report, 'table', context));
}

function formatReport(
  report: GateReport,
  format: string,
  style: Pick<Context, 'width' | 'tableWidth' | 'paint'>,
): string {
  switch (format) {
    case 'json':
      return `${safeJson(reportDocument(report), 2)}\n`;
    case 'ndjson':
      return reportItems(report)
        .map((item) => `${safeJson(item)}\n`)
        .join('');
    case 'sarif':
      return `${safeJson(sarifDocument(report), 2)}\n`;
    case 'junit':
      return junitDocument(report);
    case 'gitlab':
      return `${safeJson(codeQualityDocument(report), 2)}\n`;
    default:
      return `${reportLines(report, style).join('\n')}\n`;
  }
}

/** No colour in files. */
function unpainted({ paint }: Context): Context['paint'] {
  const same = (text: string): string => text;
  return {
    ...paint,
    bold: same,
    dim: same,
    good: same,
    bad: same,
    severity: (_, text) => text,
    verdict: (_, text) => text,
  };
}
