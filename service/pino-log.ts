import type { Logger } from './log.ts';

/** How a logger is made. */
export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** json: one object a line, as pino writes it. text: `TIME LEVEL message key=value …`. */
  readonly format: 'json' | 'text';
  /** Removes secrets from the fields of a line, at any depth. */
  readonly redact: (fields: Readonly<Record<string, unknown>>) => unknown;
  /** Gets each line with its line feed; default: standard error. */
  readonly destination?: LogDestination;
}

/** Where lines go. */
export interface LogDestination {
  readonly write: (line: string) => void;
}

/** A logger on pino. Lines are written at once, so that the last one before a crash is there. */
export async function createLogger({ level, format, destination, redact }: LogOptions): Promise<Logger> {
  // Loaded here: `scan` and the client commands never log.
  const { pino } = await import('pino');
  const sink = destination ?? pino.destination({ dest: 2, sync: true });
  const render = format === 'text' ? textLine : (line: string) => line;
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      // In a line of a log a `key` is a private key; elsewhere it may be the key of a map.
      redact: { paths: ['key', '*.key', '*.*.key'], censor: '[redacted]' },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => {
          return redact(plain(fields) as Record<string, unknown>) as Record<string, unknown>;
        },
      },
    },
    { write: (line: string) => sink.write(escapeUnsafe(render(line))) },
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}

/** How deep fields are looked through for errors, and causes of an error are logged. */
const MAX_DEPTH = 5;

/**
 * A value with each error in it as an object: JSON leaves out message and cause. Only an error without a code, a defect,
 * has its stack.
 */
function plain(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth === MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  if (!(value instanceof Error))
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item, depth + 1)]));
  const { name, message, stack, cause } = value;
  const { code } = value as NodeJS.ErrnoException;
  return {
    name,
    message,
    ...(code === undefined ? { stack } : { code }),
    ...(cause === undefined ? {} : { cause: plain(cause, depth + 1) }),
  };
}

/** One JSON line of pino as text. A line that is no JSON object is passed on as it is. */
function textLine(line: string): string {
  const { time, level, message, ...fields } = readLine(line);
  if (typeof time !== 'string') return line;
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${String(message)}${pairs.join('')}\n`;
}

function readLine(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/**
 * JSON leaves as they are: DEL and the C1 controls, which some terminals obey; line separators; what reorders text
 * (CVE-2021-42574) and what cannot be seen. The line feed at the end of a line stays; joiners and variation selectors,
 * which scripts and emoji need, too.
 */
const UNSAFE =
  /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}[\p{Default_Ignorable_Code_Point}--[\p{Join_Control}\p{Variation_Selector}]]]/gv;

/** Each as JSON would write it, one escape a UTF-16 unit: the line reads back as the same value. */
function escapeUnsafe(line: string): string {
  return line.replaceAll(UNSAFE, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
