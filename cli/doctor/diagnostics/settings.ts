import { access, constants, stat } from 'node:fs/promises';
import { describeProblem } from '../../../service/config/problem.ts';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, warning, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { modeText } from '../place.ts';

/** Can the configuration file be read, who can change it, and is every setting valid? */
export const settings: InstallationDiagnostic = Object.freeze({
  id: 'settings',
  title: 'settings',
  run: async (installation: Installation) =>
    worstResult([await examineFile(installation), examineValues(installation), examineEnvironment(installation)]),
});

async function examineFile({ configFile, configNamed, uid }: Installation): Promise<DiagnosticResult> {
  try {
    const { mode, uid: owner } = await stat(configFile);
    await access(configFile, constants.R_OK);
    if ((mode & 0o022) !== 0)
      return problem(
        `${configFile} has mode ${modeText(mode)}: other users can change what this program does`,
        `chmod go-w ${configFile}`,
      );
    if (owner !== 0 && owner !== uid)
      return warning(
        `${configFile} belongs to user ${String(owner)}, who can change what this program does`,
        `unless this is intended: chown root ${configFile}`,
      );
    return ok(configFile);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' && !configNamed) return ok(`no configuration file (${configFile})`);
    if (code === 'ENOENT') return problem(`${configFile} does not exist`, 'correct --config or PLIMSOLL_CONFIG');
    const observed = `${configFile} cannot be read: ${code}`;
    const advice = 'let this user read it, or set flags or variables instead';
    // The program ignores the default file if it cannot read it, and runs with its defaults.
    return configNamed ? problem(observed, advice) : warning(observed, advice);
  }
}

function examineValues({ settingProblems, configFile }: Installation): DiagnosticResult {
  // examineFile reports a file that cannot be read.
  const problems = settingProblems.filter(({ place }) => place !== configFile);
  if (problems.length === 0) return ok('all values are valid');
  return problem(
    problems.map(describeProblem).join('; '),
    'correct it: no program starts with it; plimsoll config --help lists where settings come from',
  );
}

function examineEnvironment({ environment, settingWarnings, collector, configFile }: Installation): DiagnosticResult {
  const names = Object.keys(environment).filter((name) => name.startsWith('PLIMSOLL_'));
  const unknownNames = settingWarnings.filter((text) => !text.startsWith(configFile));
  const docker = environment['DOCKER_HOST'] ?? '';
  return worstResult([
    ok(names.length === 0 ? '' : `set: ${names.sort().join(', ')}`),
    ...unknownNames.map((text) => warning(text, 'correct or unset it')),
    docker !== '' && collector.dockerHost === ''
      ? warning(
          `DOCKER_HOST is ${docker.slice(0, 100)}, which is not a socket of this machine: it is ignored`,
          'name an engine of this machine with --docker-host unix:///…',
        )
      : ok(''),
  ]);
}
