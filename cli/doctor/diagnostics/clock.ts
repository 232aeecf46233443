import { ok, problem } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** This version was not there earlier, and an authority that it makes ends some ten years after it. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);
const LATEST_MS = Date.UTC(2046, 0, 1);

/** Is the clock of this machine anywhere near the time? */
export const clockOfMachine: InstallationDiagnostic = Object.freeze({
  id: 'time.clock',
  group: 'time',
  title: 'clock',
  run: ({ clock }: Installation) => {
    const nowMs = clock.now();
    const seen = `${new Date(nowMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
    return nowMs >= EARLIEST_MS && nowMs < LATEST_MS
      ? ok(seen)
      : problem(`${seen} cannot be`, 'set the clock: certificates are judged by it');
  },
});
