import { parseRedactions } from '../../api/event-redaction.ts';
import type { Settings } from '../../service/config/settings.ts';
import { SINK_NAMES, sinkSetting } from '../../service/config/sink-names.ts';
import { createRedact } from '../event/redaction.ts';
import type { Redact } from '../event/redaction.ts';
import { StartError } from '../start-error.ts';
import { readSinkFile } from './http-client.ts';

/** What is redacted for each sink, also for those that are off: their dead letters are shown. */
export type Redactions = ReadonlyMap<string, Redact>;

/** A key that is shorter can be found by trying all of them: the values that it hashes are mostly guessable. */
const MIN_KEY_LENGTH = 16;

/** The redactions of the settings. Rejects with StartError for one that is wrong or that lacks its key. */
export async function openRedactions(settings: Settings): Promise<Redactions> {
  const redactions = new Map<string, Redact>();
  let key: string | undefined;
  for (const name of SINK_NAMES) {
    const text = settings[sinkSetting(name, 'Redact')];
    if (text === 'none') continue;
    const setting = `sink-${name}-redact`;
    const parsed = parseRedactions(text);
    if (!parsed.ok) throw refused(`${setting}: ${parsed.problem}`);
    if (parsed.rules.some(({ action }) => action === 'hash'))
      key ??= await readRedactKey(settings.sinkRedactKey, setting);
    redactions.set(name, createRedact(parsed.rules, key ?? ''));
  }
  return redactions;
}

async function readRedactKey(path: string, setting: string): Promise<string> {
  if (path === 'none') throw refused(`${setting} has \`=hash\`, and sink-redact-key names no key`);
  const key = await readSinkFile(path, 'none').catch((error: unknown) => {
    throw refused(`sink-redact-key: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (key === undefined || key.length < MIN_KEY_LENGTH)
    throw refused(`sink-redact-key: ${path} has fewer than ${String(MIN_KEY_LENGTH)} characters`);
  return key;
}

function refused(message: string): StartError {
  return new StartError('sink', message, 'see docs/sinks.md, Redaction; a key: openssl rand -hex 32');
}
