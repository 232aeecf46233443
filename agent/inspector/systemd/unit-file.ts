/** One assignment of a unit file: `ListenStream=2375` in `[Socket]`. */
export interface UnitSetting {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

/**
 * A unit file or drop-in, systemd.syntax(7): `[Section]`, `Name=value`, comments behind `#` or `;` at the start of a
 * line, a backslash at the end of a line continues it. An empty value resets the list that was made before.
 */
export function parseUnitFile(text: string): readonly UnitSetting[] {
  const settings: UnitSetting[] = [];
  let section = '';
  for (const line of text.replaceAll(/\\\n/g, ' ').split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) continue;
    if (trimmed.startsWith('[') && trimmed.endsWith(']')) {
      section = trimmed.slice(1, -1);
      continue;
    }
    const equals = trimmed.indexOf('=');
    if (equals < 1) continue;
    settings.push({ section, name: trimmed.slice(0, equals).trim(), value: trimmed.slice(equals + 1).trim() });
  }
  return settings;
}

/** Values of a setting that may occur more than once, after resets; the last one counts where only one can be. */
export function unitValues(settings: readonly UnitSetting[], section: string, name: string): readonly string[] {
  let values: string[] = [];
  for (const setting of settings) {
    if (setting.section !== section || setting.name !== name) continue;
    if (setting.value === '') values = [];
    else values.push(setting.value);
  }
  return values;
}
