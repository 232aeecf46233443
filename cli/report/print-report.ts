import { safeJson } from '../../api/safe.ts';
import type { FindingReport } from './finding-report.ts';

/** Formats for other tools, and for people who audit. */
const REPORT_FORMATS = Object.freeze(['html', 'junit', 'sarif'] as const);
/** One of them. */
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** Is the output a report? */
export function isReportFormat(format: string): format is ReportFormat {
  return REPORT_FORMATS.some((one) => one === format);
}

/** The text of a report in one of the formats. Each is loaded where it is used only. */
export async function formatReport(report: FindingReport, format: ReportFormat): Promise<string> {
  switch (format) {
    case 'html': {
      const { htmlDocument } = await import('./html.ts');
      return htmlDocument(report);
    }
    case 'junit': {
      const { junitDocument } = await import('./junit.ts');
      return junitDocument(report);
    }
    case 'sarif': {
      const { sarifDocument } = await import('./sarif.ts');
      return `${safeJson(sarifDocument(report), 2)}\n`;
    }
  }
}
