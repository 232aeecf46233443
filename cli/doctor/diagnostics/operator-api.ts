import { join } from 'node:path';
import { formatAddress } from '../../../service/config/kind.ts';
import { ok, problem, unknown, warning } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { lockHolder } from '../../../service/lock.ts';
import { askApi } from '../ask-api.ts';
import type { ApiAnswer } from '../ask-api.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { judgeSkew } from '../skew.ts';

/** Does a collector answer at the API address, and does it accept the token? */
export const operatorApi: InstallationDiagnostic = Object.freeze({
  id: 'operator-api',
  title: 'operator API',
  run: async (installation: Installation) => {
    const { collector, signal } = installation;
    const answer = await askApi(collector, signal);
    return judge(answer, formatAddress(collector.api), installation);
  },
});

function judge(answer: ApiAnswer, address: string, { collector, version, clock }: Installation): DiagnosticResult {
  switch (answer.kind) {
    case 'silent':
      return judgeSilence(`${address}: ${answer.reason.text}`, collector.dataDir);
    case 'foreign':
      return problem(
        `${address} answers, but is not a collector (HTTP ${String(answer.status)})`,
        'name the address of the collector with --api HOST:PORT',
      );
    case 'closed':
      return answer.tokenSent
        ? problem(
            `the collector at ${address} does not accept the token in ${collector.tokenFile}`,
            'name the token file of that collector with --token-file or its --data-dir',
          )
        : unknown(
            `a collector answers at ${address}, but ${collector.tokenFile} contains no readable token`,
            'name its token file with --token-file or its --data-dir, as a user who can read it',
          );
    case 'collector':
      return judgeCollector(answer, address, { version, nowMs: clock.now() });
  }
}

/** No collector has to run; a collector that runs and does not answer is a problem. */
function judgeSilence(observed: string, dataDir: string): DiagnosticResult {
  const holder = lockHolder(join(dataDir, 'collector.lock'));
  if (holder !== undefined)
    return problem(
      `${observed}, although a collector (process ${String(holder)}) uses ${dataDir}`,
      'it is starting, hangs, or listens at another address: see its log, and --api',
    );
  return warning(observed, 'start one with plimsoll up, or name another with --api HOST:PORT');
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
      `${address} accepts the token, but its status is not understood by this version`,
      'it may be busy or of another version: try again, and see its log',
    );
  const theirs = status.version;
  if (theirs !== own.version)
    return warning(
      `${address} runs version ${theirs.slice(0, 40)}, this is ${own.version}`,
      'restart the collector to run the newer version',
    );
  const issues = status.issues.length;
  const observed = `${address} answers and accepts the token`;
  return issues === 0
    ? ok(observed)
    : warning(`${observed}; it reports ${issues === 1 ? '1 issue' : `${String(issues)} issues`}`, 'plimsoll status');
}
