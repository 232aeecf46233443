import { describeProblem } from '../../../service/config/problem.ts';
import { ok, problem } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** Is every setting known, and its value one that it can have? */
export const settingsValues: InstallationDiagnostic = Object.freeze({
  id: 'settings.values',
  group: 'settings',
  title: 'values',
  run: ({ settingProblems, configFile }: Installation) => {
    // That the file itself is missing is told by the examination of the file.
    const problems = settingProblems.filter(({ place }) => place !== configFile);
    if (problems.length === 0) return ok('all understood');
    return problem(
      problems.map(describeProblem).join('; '),
      'correct it: nothing starts with it; plimsoll config --help says where settings come from',
    );
  },
});
