import { safe } from '../../api/safe.ts';

/** What a text becomes. */
export type ReplaceValues = (text: string) => string;

/** Distinct values of an event that are searched in its other texts, and their length together. */
const MAX_VALUES = 500;
const MAX_CHARACTERS = 64 * 1024;

/** A value in one of the forms in which it occurs in texts, in lower case. */
interface SearchedForm {
  readonly text: string;
  readonly replacement: string;
  /** It begins, or ends, with a letter or digit: there, it is not found within a longer word. */
  readonly startsWord: boolean;
  readonly endsWord: boolean;
}

/**
 * Replaces these values wherever they occur in a text: as they are, as JSON writes them and as {@link safe} shows them,
 * in any case of their letters, not as a part of a longer word; the longest first. Where there are too many to search
 * for, every other text becomes `otherwise`.
 */
export function createReplaceValues(values: ReadonlyMap<string, string>, otherwise: string): ReplaceValues {
  let characters = 0;
  for (const value of values.keys()) characters += value.length;
  if (values.size > MAX_VALUES || characters > MAX_CHARACTERS) return (text) => values.get(text) ?? otherwise;
  const forms = formsOf(values);
  const [longest] = forms;
  if (longest === undefined) return (text) => text;
  const shortest = forms.at(-1)?.text.length ?? 0;
  const areAscii = forms.every(({ text }) => isAscii(text));
  let search: ReplaceValues | undefined;
  return (text) => {
    const whole = values.get(text);
    if (whole !== undefined) return whole;
    // No form is longer in another case, but in texts beyond ASCII a letter can be.
    if (areAscii && isAscii(text)) return text.length < shortest ? text : replaceAscii(text, forms);
    search ??= replaceByPattern(forms, otherwise);
    return search(text);
  };
}

/** Longest first. Where two values have one form, the later one counts. */
function formsOf(values: ReadonlyMap<string, string>): readonly SearchedForm[] {
  const forms = new Map<string, string>();
  for (const [value, replacement] of values) {
    if (value === '') continue;
    forms.set(value.toLowerCase(), replacement);
    if (IS_WRITTEN_AS_IS.test(value)) continue;
    forms.set(JSON.stringify(value).slice(1, -1).toLowerCase(), replacement);
    forms.set(safe(value).toLowerCase(), replacement);
  }
  return [...forms]
    .map(([text, replacement]) => ({
      text,
      replacement,
      startsWord: /^[\p{L}\p{N}]/u.test(text),
      endsWord: /[\p{L}\p{N}]$/u.test(text),
    }))
    .toSorted((one, other) => other.text.length - one.text.length);
}

/** Printable ASCII without `"` and `\`: JSON and {@link safe} change nothing in it. */
const IS_WRITTEN_AS_IS = /^[ !#-[\]-~]+$/;

/** As {@link replaceByPattern} of texts and forms in ASCII: to compile a pattern takes longer than this for an event. */
function replaceAscii(text: string, forms: readonly SearchedForm[]): string {
  const lower = text.toLowerCase();
  // Forms that occur, and where next: each goes over the text once.
  const found: { readonly form: SearchedForm; at: number }[] = [];
  for (const form of forms) {
    const at = nextOf(form, lower, 0);
    if (at >= 0) found.push({ form, at });
  }
  let replaced = '';
  let from = 0;
  while (found.length > 0) {
    let first = found[0];
    for (const one of found) if (first === undefined || one.at < first.at) first = one;
    if (first === undefined) break;
    replaced += text.slice(from, first.at) + first.form.replacement;
    from = first.at + first.form.text.length;
    for (let index = found.length - 1; index >= 0; index -= 1) {
      const one = found[index];
      if (one === undefined || one.at >= from) continue;
      one.at = nextOf(one.form, lower, from);
      if (one.at < 0) found.splice(index, 1);
    }
  }
  return from === 0 ? text : replaced + text.slice(from);
}

/** Where `form` occurs in a text in ASCII and lower case from `from` on; -1: nowhere. */
function nextOf({ text, startsWord, endsWord }: SearchedForm, lower: string, from: number): number {
  for (let at = lower.indexOf(text, from); at >= 0; at = lower.indexOf(text, at + 1)) {
    const isWithin =
      (startsWord && isWordCode(lower.charCodeAt(at - 1))) ||
      (endsWord && isWordCode(lower.charCodeAt(at + text.length)));
    if (!isWithin) return at;
  }
  return -1;
}

/** A digit or a lower-case letter of ASCII; NaN, the end of the text, is neither. */
function isWordCode(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 97 && code <= 122);
}

function replaceByPattern(forms: readonly SearchedForm[], otherwise: string): ReplaceValues {
  const replacements = new Map(forms.map(({ text, replacement }) => [text, replacement]));
  const pattern = new RegExp(forms.map(patternOf).join('|'), 'giu');
  return (text) => text.replace(pattern, (found) => replacements.get(found.toLowerCase()) ?? otherwise);
}

function patternOf({ text, startsWord, endsWord }: SearchedForm): string {
  const escaped = text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  const before = startsWord ? String.raw`(?<![\p{L}\p{N}])` : '';
  const after = endsWord ? String.raw`(?![\p{L}\p{N}])` : '';
  return before + escaped + after;
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- they are ASCII too
  return !/[^\u0000-\u007f]/.test(text);
}
