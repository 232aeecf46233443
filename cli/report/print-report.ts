import { safeJson } from '../../api/safe.ts';
import type { ScanReport } from './scan-report.ts';

/** Formats of a scan for other tools. */
export const REPORT_FORMATS = Object.freeze(['html', 'junit', 'sarif'] as const);

/** The text of a report in one of the formats. Each is loaded where it is used only. */
export async function formatReport(report: ScanReport, format: (typeof REPORT_FORMATS)[number]): Promise<string> {
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
