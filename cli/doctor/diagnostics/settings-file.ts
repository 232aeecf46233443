import { access, constants, stat } from 'node:fs/promises';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, warning } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { modeText } from '../place.ts';

/** Is there a configuration file, can it be read, and who can change it? */
export const settingsFile: InstallationDiagnostic = Object.freeze({
  id: 'settings.file',
  group: 'settings',
  title: 'file',
  run: async ({ configFile, configNamed, uid }: Installation) => {
    try {
      const { mode, uid: owner } = await stat(configFile);
      await access(configFile, constants.R_OK);
      if ((mode & 0o022) !== 0)
        return problem(
          `${configFile} has mode ${modeText(mode)}: others can change what this program does`,
          `chmod go-w ${configFile}`,
        );
      if (owner !== 0 && owner !== uid)
        return warning(
          `${configFile} belongs to user ${String(owner)}`,
          `if that is not meant: chown root ${configFile}`,
        );
      return ok(configFile);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' && !configNamed) return ok(`none (${configFile} is not there)`);
      if (code === 'ENOENT')
        return problem(`${configFile} is not there`, 'correct --config or PLIMSOLL_CONFIG, which name it');
      const seen = `${configFile} cannot be read: ${code}`;
      const advice = 'let this user read it, or give the settings as flags or variables';
      // Without being named it is passed over, and the program runs with its defaults.
      return configNamed ? problem(seen, advice) : warning(seen, advice);
    }
  },
});
