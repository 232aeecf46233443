import { parentPort, workerData } from 'node:worker_threads';
import { openVulnerabilityDatabase } from './database.ts';
import type { VerifyReport } from './verify-database.ts';

/* The thread of `verifyDatabase`: reads a whole vulnerability database, which takes about a second. */

const opened = openVulnerabilityDatabase(workerData as string, { isThorough: true });
if (opened.ok) opened.database.close();
const report: VerifyReport = opened.ok ? { ok: true } : opened;
parentPort?.postMessage(report, []);
