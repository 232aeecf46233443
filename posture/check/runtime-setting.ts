import type { Observed } from '../observed.ts';
import { unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { quote } from './evidence-text.ts';

/** A container runtime with its configuration. */
interface Configured {
  /** Main file of the configuration: what evidence names where no file has the setting. */
  readonly config: string;
  readonly settings: Readonly<Record<string, Observed<string>>>;
}

/** Judges a setting by its name in the fact; where nothing sets it, `preset` counts, the default of all releases. */
export function judgeRuntimeSetting(
  { config, settings }: Configured,
  { name, preset }: { readonly name: string; readonly preset: string },
  judge: (value: string, seen: Omit<Evidence, 'expected'>) => Judgement,
): Judgement {
  const setting = settings[name] ?? { state: 'unreadable', source: config, reason: `${name} was not read` };
  if (setting.state === 'unreadable') return unknownBecause(`${setting.source}: ${setting.reason}`);
  const value = setting.state === 'seen' ? setting.value : preset;
  const key = name.slice(name.lastIndexOf('.') + 1);
  const seen =
    setting.state === 'seen'
      ? `${key} = ${quote(value)}`
      : `${key} is not set (default ${quote(preset === '' ? 'empty' : preset)})`;
  return judge(value, { source: setting.source === '' ? config : setting.source, seen });
}

/** Is the address on this host alone: empty, a unix socket, or loopback? */
export function isLocal(address: string): boolean {
  return (
    address === '' ||
    address.startsWith('/') ||
    address.startsWith('unix:') ||
    /^(?:127\.|localhost(?::|$)|\[?::1\]?(?::|$))/.test(address)
  );
}
