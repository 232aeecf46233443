import { BOOT_PARAMETERS } from '../../../posture/fact/kernel.ts';
import { clip } from '../clip.ts';

const KEPT: ReadonlySet<string> = new Set(BOOT_PARAMETERS);

/**
 * `/proc/cmdline`: words split at spaces, `"` keeps spaces together, `name=value` or `name`. In names `-` and `_` are
 * the same; here they are written with `_`. If a word is there twice, the last counts. What follows `--` is for init.
 */
export function parseBootParameters(text: string): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = {};
  for (const word of bootWords(text)) {
    const equals = word.indexOf('=');
    const name = (equals === -1 ? word : word.slice(0, equals)).replaceAll('-', '_');
    if (KEPT.has(name)) parameters[name] = clip(equals === -1 ? '' : word.slice(equals + 1), 1024);
  }
  return parameters;
}

/** The words of `/proc/cmdline` before `--`. */
export function bootWords(text: string): readonly string[] {
  const words = wordsOf(text.trim());
  const end = words.indexOf('--');
  return end === -1 ? words : words.slice(0, end);
}

function wordsOf(text: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    else if (!isQuoted && /\s/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else word += character;
  }
  if (word !== '') words.push(word);
  return words;
}
