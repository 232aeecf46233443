import { ok, warning, worstResult } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** Do the variables that look like ours mean something? */
export const settingsEnvironment: InstallationDiagnostic = Object.freeze({
  id: 'settings.environment',
  group: 'settings',
  title: 'environment',
  run: ({ environment, settingWarnings, collector, configFile }: Installation) => {
    const set = Object.keys(environment).filter((name) => name.startsWith('PLIMSOLL_'));
    // That the file could not be read is told by the examination of the file.
    const meaningless = settingWarnings.filter((text) => !text.startsWith(configFile));
    const docker = environment['DOCKER_HOST'] ?? '';
    const seen = set.length === 0 ? 'nothing set' : set.sort().join(', ');
    return worstResult([
      ok(seen),
      ...meaningless.map((text) => warning(text, 'correct or unset it')),
      docker !== '' && collector.dockerHost === ''
        ? warning(
            `DOCKER_HOST is ${docker.slice(0, 100)}: no socket of this machine, so it is passed over`,
            'an engine of this machine is named with --docker-host unix:///…',
          )
        : ok(''),
    ]);
  },
});
