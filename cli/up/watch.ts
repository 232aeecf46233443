import type { FindingEvent } from '../../api/finding.ts';
import { isFinal } from '../../api/client.ts';
import type { ApiClient } from '../../api/client.ts';
import { safe } from '../../api/safe.ts';
import { watchEvents } from '../../api/watch.ts';
import { sleep } from '../../service/clock.ts';
import { printError, printFailure } from '../print-error.ts';
import type { Context } from '../context.ts';
import { clockTime } from '../../api/format.ts';
import { changeLine } from '../watch/line.ts';

/**
 * Prints what becomes bad and what becomes good again, until `signal` aborts. `onConnected` is called once, as soon as
 * no change can be missed any more.
 */
export async function watchChanges(
  context: Context,
  client: ApiClient,
  signal: AbortSignal,
  onConnected: () => Promise<void>,
): Promise<void> {
  const { stdout, clock, tableWidth, paint } = context;
  const connected = new Map<string, boolean>();
  let greeted = false;
  for await (const item of watchEvents(client, {
    wait: (ms, until) => sleep(clock, ms, until),
    signal,
    random: Math.random,
  })) {
    switch (item.type) {
      case 'connected':
        if (!greeted) await onConnected();
        greeted = true;
        break;
      case 'finding':
        if (concernsFailure(item.event)) await stdout.write(`${changeLine(item.event, false, tableWidth, paint)}\n`);
        break;
      case 'node': {
        const { id, name, connected: isConnected } = item.node;
        const before = connected.get(id);
        connected.set(id, isConnected);
        if (before === undefined || before === isConnected) break;
        const state = isConnected ? paint.good('connected again') : paint.bad('offline');
        await stdout.write(`${paint.dim(clockTime(clock.now()))}  ${safe(name)} is ${state}\n`);
        break;
      }
      case 'nodeRemoved':
        connected.delete(item.nodeId);
        break;
      case 'gap':
        await printError(context, `changes may be missing: ${item.reason}`, 'see: plimsoll findings');
        break;
      case 'lost':
        // plimsoll up restarts the collector, and the stream continues after the last event.
        if (item.problem === undefined || !isFinal(item.problem.kind)) break;
        await printFailure(context, item.problem);
        return;
    }
  }
}

/** People watch for what fails, or failed a moment ago. */
function concernsFailure({ finding, previousVerdict }: FindingEvent): boolean {
  return finding.verdict === 'fail' || previousVerdict === 'fail';
}
