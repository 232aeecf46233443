import { findSecrets, findSecretsInWords } from './find-secrets.ts';
import { isHarmlessValue, OMITTED, REDACTED, SECRET_HEADER, secretNameKind } from './secret-name.ts';
import type { SecretSpan } from './span.ts';

/** `text` with each secret in it replaced by `[redacted]`. Names stay, so that one can still tell what was there. */
export function redactText(text: string): string {
  return replaced(text, findSecrets(text), 0, text.length);
}

/** The words of a command line, each redacted. */
export function redactWords(words: readonly string[]): readonly string[] {
  const spans = findSecretsInWords(words);
  if (spans.length === 0) return words;
  const text = words.join('\0');
  let start = 0;
  let from = 0;
  return words.map((word) => {
    const end = start + word.length;
    while ((spans[from]?.end ?? Infinity) <= start) from += 1;
    const redacted = replaced(text, spans.slice(from, from + word.length), start, end);
    start = end + 1;
    return redacted;
  });
}

/** The text between two places, with the part of each span that lies there replaced. */
function replaced(text: string, spans: readonly SecretSpan[], from: number, to: number): string {
  let result = '';
  let done = from;
  for (const span of spans) {
    if (span.start >= to) break;
    if (span.end <= done) continue;
    result += text.slice(done, Math.max(done, span.start)) + REDACTED;
    done = Math.min(span.end, to);
  }
  return result + text.slice(done, to);
}

/** `ENV` or `ARG` of a build step, as both builders write it. */
const VARIABLES = /^((?:.{0,256}#\(nop\)\s{0,8})?(?:ENV|ARG)\s{1,8})/s;
/** Build arguments before the command of RUN: `RUN |2 A=b C=d /bin/sh -c …`. */
const BUILD_ARGUMENTS = /^((?:RUN\s{1,8})?\|(\d{1,4})\s{1,8})/;
/** Where the shell begins behind them. */
const SHELL =
  /(?:^|\s)(?:(?:\/[\w.-]{1,64}){0,8}\/)?(?:ba|da|a|z|k|mk|c|tc|fi)?(?:sh|busybox|powershell|pwsh|cmd)(?:\.exe)?\s{1,8}(?:-|\/[SCsc])/;

/**
 * A build step of an image. Of ENV and ARG only the names are kept: `[redacted]` stands for a value that is a secret by
 * its name or form, `[omitted]` for any other. Everything else is redacted as text.
 */
export function redactBuildStep(step: string): string {
  const variables = VARIABLES.exec(step)?.[1];
  if (variables !== undefined)
    return variables + variableNames(step.slice(variables.length), variables.includes('ENV'));
  const given = BUILD_ARGUMENTS.exec(step);
  if (given === null) return redactText(step);
  const [before = '', , count = '0'] = given;
  const text = step.slice(before.length);
  const shell = SHELL.exec(text);
  const names = variableNames(shell === null ? text : text.slice(0, shell.index), false, Number(count));
  return before + names + (shell === null ? '' : redactText(text.slice(shell.index)));
}

/** `A=b C="d e"` as `A=[omitted] C=[omitted]`; where `isLoose`, also `A b c`, as `ENV` alone allows it. */
function variableNames(text: string, isLoose: boolean, maxNames = 1024): string {
  const end = /\s*# buildkit\s*$/.exec(text.slice(-64))?.[0].length ?? 0;
  const values = text.slice(0, text.length - end);
  const loose = isLoose ? /^([A-Za-z_][\w.-]{0,255})\s+(?!=)/.exec(values) : null;
  const names = loose === null ? [...values.matchAll(/(?:^|\s)([A-Za-z_][\w.-]{0,255})(=|$)/g)].slice(0, maxNames) : [];
  const written = names.map((match, index) => {
    const [whole, name = '', sign = ''] = match;
    if (sign === '') return index === 0 ? name : '';
    return name + valueMark(name, values.slice(match.index + whole.length, names[index + 1]?.index ?? values.length));
  });
  if (loose !== null) written.push((loose[1] ?? '') + valueMark(loose[1] ?? '', values.slice(loose[0].length)));
  return written.filter((each) => each !== '').join(' ') + text.slice(text.length - end);
}

function valueMark(name: string, value: string): string {
  const plain = value.trim().replace(/^(["'])(.*)\1$/s, '$2');
  if (plain === '' || plain === OMITTED) return `=${plain}`;
  const kind = secretNameKind(name);
  const isSecret = (kind !== undefined && !isHarmlessValue(plain, kind, true)) || findSecrets(value).length > 0;
  return `=${isSecret ? REDACTED : OMITTED}`;
}

/** Nothing that an engine answers is nested deeper; what is, comes from someone who wants to exhaust a stack. */
const MAX_DEPTH = 64;

/** A JSON value with the secrets in it replaced, by their name and by their form. */
export function redactJson(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return REDACTED;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (items.every((item) => typeof item === 'string')) return redactWords(items);
    return items.map((item) => redactJson(item, depth + 1));
  }
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [
    redactText(key),
    redactMember(key, item, depth + 1),
  ]);
  // From entries, and not by assignment: a key such as __proto__ is a key.
  return Object.fromEntries(entries);
}

function redactMember(key: string, value: unknown, depth: number): unknown {
  if (key.toLowerCase() === 'env' && Array.isArray(value)) return value.map(redactVariable);
  if (typeof value !== 'string') return redactJson(value, depth);
  if (key === 'CreatedBy') return redactBuildStep(value);
  const kind = SECRET_HEADER.test(key) ? 'certain' : secretNameKind(key);
  return kind !== undefined && !isHarmlessValue(value, kind) ? REDACTED : redactText(value);
}

/** `NAME=value`: no value of a container's environment is ever read by this program. */
function redactVariable(entry: unknown): unknown {
  if (typeof entry !== 'string') return REDACTED;
  const equals = entry.indexOf('=');
  return equals === -1 ? redactText(entry) : `${redactText(entry.slice(0, equals))}=${REDACTED}`;
}
