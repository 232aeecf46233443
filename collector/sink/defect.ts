const MAX_TEXT = 200;

/**
 * How an error is reported that the program itself, or a package of it, made: as what it is, never as a cause at the
 * receiver. Undefined: another error. Errors of Node.js for invalid values have a `code` and are not defects.
 */
export function defectOf(error: unknown): string | undefined {
  const isDefect = error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError;
  if (!isDefect || 'code' in error) return undefined;
  // The message of a SyntaxError can quote what was parsed.
  const message = error instanceof SyntaxError ? '' : `: ${error.message}`;
  return `internal error, ${error.name}${message}`.slice(0, MAX_TEXT);
}
