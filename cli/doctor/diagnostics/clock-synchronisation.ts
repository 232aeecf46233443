import { stat } from 'node:fs/promises';
import { ok, unknown } from '../../../service/diagnostic.ts';
import { span } from '../../../api/format.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** systemd-timesyncd.service(8): touched each time the clock was set by a server, removed at boot. */
const SYNCHRONISED = '/run/systemd/timesync/synchronized';
/** What other time services leave while they run; whether they have a server, only they themselves can be asked. */
const SERVICES = Object.freeze([
  { path: '/run/chrony/chronyd.pid', name: 'chronyd' },
  { path: '/run/chronyd.pid', name: 'chronyd' },
  { path: '/run/ntpd.pid', name: 'ntpd' },
  { path: '/run/openntpd.pid', name: 'openntpd' },
]);

/** Is the clock set by a time service? */
export const clockSynchronisation: InstallationDiagnostic = Object.freeze({
  id: 'time.synchronisation',
  group: 'time',
  title: 'synchronised',
  run: async ({ clock }: Installation) => {
    const synchronised = await stat(SYNCHRONISED).catch(() => undefined);
    if (synchronised !== undefined)
      return ok(`by systemd-timesyncd, ${span(clock.now() - synchronised.mtimeMs)} ago for the last time`);
    for (const { path, name } of SERVICES)
      if ((await stat(path).catch(() => undefined)) !== undefined)
        return unknown(`${name} runs; whether it has a server, only it can tell`, 'see: chronyc tracking, or ntpq -p');
    return unknown('no time service leaves a trace here', 'see: timedatectl, or ask who runs this machine');
  },
});
