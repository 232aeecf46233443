import { homedir } from 'node:os';
import { systemClock } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { loadSettings } from '../../service/config/load.ts';
import { createLogger } from '../../service/pino-log.ts';
import { redactJson } from '../../posture/redaction/redact.ts';
import { listenForShutdown } from '../../service/shutdown.ts';
import { VERSION } from './child-protocol.ts';
import type { FromChild, ToChild } from './child-protocol.ts';
import { createRandom } from '../fixture/random.ts';
import { DATABASE_WORKER } from '../fixture/workers.ts';

/*
 * The program of one process under test: the real agent or the real collector, as main.ts composes them, with a wall
 * clock that the test can move. Arguments: `agent` or `collector`, and the flags as a JSON object.
 */

/** Waits with full jitter end early: a minute of a test shall have many attempts in it. */
const PATIENCE = 0.1;

const random = createRandom(Number(process.argv[4]));
Math.random = () => random.next() * PATIENCE;
void main(process.argv[2] === 'agent' ? 'agent' : 'collector', process.argv[3] ?? '{}');

async function main(program: 'agent' | 'collector', flags: string): Promise<void> {
  // Whoever started this is gone: nobody will ever end it.
  process.once('disconnect', () => process.exit(9));
  try {
    const settings = await settingsOf(program, flags);
    const log = await createLogger({ level: settings.logLevel, format: 'json', redact: redactJson });
    const { signal } = listenForShutdown(process);
    const common = { settings, version: VERSION, clock: movableClock(), log, signal };
    if (program === 'agent') {
      const { runAgent } = await import('../../agent/main.ts');
      const queryWorker = new URL('../../agent/query/worker.ts', import.meta.url);
      const onReady = (): void => say({ kind: 'ready', listenPort: 0, apiPort: 0 });
      const inventoryWorker = new URL('../../image/inventory/worker.ts', import.meta.url);
      await runAgent({ ...common, queryWorker, inventoryWorker, onReady });
    } else {
      const { runCollector } = await import('../../collector/main.ts');
      await runCollector({
        ...common,
        databaseWorker: DATABASE_WORKER,
        inventoryWorker: new URL('../../image/inventory/worker.ts', import.meta.url),
        standardOutput: process.stdout,
        onReady: ({ listen, api }) => say({ kind: 'ready', listenPort: listen.port, apiPort: api.port }),
      });
    }
    process.exit(0);
  } catch (error) {
    say({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exitCode = 1;
    process.disconnect();
  }
}

async function settingsOf(program: 'agent' | 'collector', flags: string) {
  const loaded = await loadSettings({
    programs: [program],
    flags: JSON.parse(flags) as Record<string, string>,
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: process.geteuid?.() ?? 0,
    home: homedir(),
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

/** The machine's clock; only the time of day can be moved, as when someone sets it. */
function movableClock(): Clock {
  const machine = systemClock();
  let offsetMs = 0;
  process.on('message', (message: ToChild) => {
    offsetMs = message.offsetMs;
  });
  return { ...machine, now: () => machine.now() + offsetMs };
}

function say(message: FromChild): void {
  process.send?.(message);
}
