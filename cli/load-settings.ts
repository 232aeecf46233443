import type { Loaded } from '../service/config/load.ts';
import type { Program } from '../service/config/setting.ts';
import type { CliEnvironment } from './context.ts';

/**
 * The settings of `programs` for this process. With none, only defaults: a command that uses no setting
 * must work whatever the configuration contains.
 */
export async function loadSettingsOf(
  programs: readonly Program[],
  flags: Readonly<Record<string, string>>,
  { environment, uid, home, workingDirectory }: CliEnvironment,
): Promise<Loaded> {
  const [{ loadSettings }, { readConfigFile }] = await Promise.all([
    import('../service/config/load.ts'),
    import('./config-file.ts'),
  ]);
  const isUsed = programs.length > 0;
  return loadSettings({
    programs,
    flags,
    environment: isUsed ? environment : {},
    readFile: isUsed ? readConfigFile : () => Promise.resolve(undefined),
    uid,
    home,
    workingDirectory,
  });
}
