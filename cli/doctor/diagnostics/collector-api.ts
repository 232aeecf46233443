import { join } from 'node:path';
import { formatAddress } from '../../../service/config/kind.ts';
import { ok, problem, unknown, warning } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { lockHolder } from '../../../service/lock.ts';
import { askApi } from '../ask-api.ts';
import type { ApiAnswer } from '../ask-api.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { judgeSkew } from '../skew.ts';

/** Does a collector answer operators, and does it take our token? */
export const collectorApi: InstallationDiagnostic = Object.freeze({
  id: 'collector.api',
  group: 'collector',
  title: 'operator API',
  run: async (installation: Installation) => {
    const { collector, signal } = installation;
    const answer = await askApi(collector.api, collector.tokenFile, signal);
    return judge(answer, formatAddress(collector.api), installation);
  },
});

function judge(answer: ApiAnswer, address: string, { collector, version, clock }: Installation): DiagnosticResult {
  switch (answer.kind) {
    case 'silent':
      return judgeSilence(`${address}: ${answer.reason.text}`, collector.dataDir);
    case 'foreign':
      return problem(
        `${address} answers, but is no collector (HTTP ${String(answer.status)})`,
        'name the address of the collector with --api HOST:PORT',
      );
    case 'closed':
      return answer.tokenShown
        ? problem(
            `the collector at ${address} does not accept the token in ${collector.tokenFile}`,
            'name the token file of that collector with --token-file or its --data-dir',
          )
        : unknown(
            `a collector answers at ${address}, but no token is to be had from ${collector.tokenFile}`,
            'name its token file with --token-file or its --data-dir, as a user who may read it',
          );
    case 'collector':
      return judgeCollector(answer, address, { version, nowMs: clock.now() });
  }
}

/** Nobody has to run a collector to be examined; one that is there and does not answer is another matter. */
function judgeSilence(seen: string, dataDir: string): DiagnosticResult {
  const holder = lockHolder(join(dataDir, 'collector.lock'));
  if (holder !== undefined)
    return problem(
      `${seen}, although a collector (process ${String(holder)}) uses ${dataDir}`,
      'it is starting, hangs, or listens elsewhere: see its log, and --api',
    );
  return warning(seen, 'plimsoll up starts one; one elsewhere is named with --api HOST:PORT');
}

function judgeCollector(
  { status, dateMs }: Extract<ApiAnswer, { kind: 'collector' }>,
  address: string,
  own: { readonly version: string; readonly nowMs: number },
): DiagnosticResult {
  const skew = judgeSkew(dateMs, own.nowMs);
  if (skew !== undefined) return skew;
  if (status === undefined)
    return warning(
      `${address} accepts the token, but gave no status that this version can read`,
      'it may be busy or of another version: try again, and see its log',
    );
  const theirs = status.version;
  if (theirs !== own.version)
    return warning(
      `${address} runs version ${theirs.slice(0, 40)}, this is ${own.version}`,
      'start the collector again to run the newer one',
    );
  const issues = status.issues.length;
  const seen = `${address} answers and accepts the token`;
  return issues === 0
    ? ok(seen)
    : warning(`${seen}; it reports ${issues === 1 ? '1 issue' : `${String(issues)} issues`}`, 'plimsoll status');
}
