import { isFinal } from '../../api/client.ts';
import { hasText, isWaived } from '../../api/finding-list.ts';
import type { FindingEvent } from '../../api/finding.ts';
import { safeJson } from '../../api/safe.ts';
import { watchEvents } from '../../api/watch.ts';
import { sleep } from '../../service/clock.ts';
import type { CliClient } from '../api/connect.ts';
import type { FindingQuery } from '../api/findings.ts';
import { EXIT_FAILURE, EXIT_OK } from '../command.ts';
import { isTable } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { isSubject } from '../scan/select.ts';
import { changeLine } from './line.ts';

/** Prints changes that match `query` as they happen, until `signal` aborts or the collector refuses. */
export async function watchFindings(
  context: Context,
  client: CliClient,
  query: FindingQuery,
  signal: AbortSignal,
): Promise<number> {
  const { stdout, stderr, clock, args, paint, template } = context;
  const isPeople = isTable(context);
  const width = args.value('output') === 'wide' ? Infinity : context.tableWidth;
  let isReported = false;
  for await (const item of watchEvents(client, {
    wait: (ms, until) => sleep(clock, ms, until),
    signal,
    random: Math.random,
  })) {
    switch (item.type) {
      case 'finding': {
        if (!matches(item.event, query)) break;
        if (template !== undefined) await stdout.write(template({ ...item.event, items: [item.event] }));
        else if (isPeople) await stdout.write(`${changeLine(item.event, query.nodes.length !== 1, width, paint)}\n`);
        else await stdout.write(`${safeJson(item.event)}\n`);
        break;
      }
      case 'connected':
        if (isReported || isPeople) await stderr.write(`watching ${client.url}, Ctrl-C ends it\n`);
        isReported = false;
        break;
      case 'gap':
        await printError(context, `changes may be missing: ${item.reason}`);
        break;
      case 'lost':
        // A connection that broke is made again at once; only a failure of that is worth a message.
        if (item.problem === undefined) break;
        if (!isReported) await printFailure(context, item.problem);
        if (isFinal(item.problem.kind)) return EXIT_FAILURE;
        isReported = true;
        break;
      case 'node':
      case 'nodeRemoved':
        break;
    }
  }
  return EXIT_OK;
}

/** As the API would choose; a change also matches by the verdict that it had. */
function matches(event: FindingEvent, query: FindingQuery): boolean {
  const { finding, previousVerdict } = event;
  const verdicts = [finding.verdict, ...(previousVerdict === null ? [] : [previousVerdict])];
  return (
    oneOf(query.nodes, [finding.nodeId, finding.nodeName]) &&
    (oneOf(query.checks, [finding.check]) || oneOfAreas(query.checks, finding.check)) &&
    oneOf(query.verdicts, verdicts) &&
    (query.state === undefined || isWaived(finding) === (query.state === 'waived')) &&
    oneOf(query.waivers, [finding.waiver?.name ?? '']) &&
    oneOf(query.severities, [finding.severity]) &&
    oneOf(query.kinds, [finding.subject.kind]) &&
    (query.subject === undefined || isSubject(query.subject, finding.subject)) &&
    (query.text === undefined || hasText(finding, query.text))
  );
}

function oneOf(wanted: readonly string[], given: readonly string[]): boolean {
  return wanted.length === 0 || given.some((word) => wanted.includes(word));
}

function oneOfAreas(wanted: readonly string[], check: string): boolean {
  return wanted.some((word) => !word.includes('.') && check.startsWith(`${word}.`));
}
