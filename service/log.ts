/** What the program logs through. Messages are static; what varies is in `fields`. Never a secret. */
export interface Logger {
  readonly debug: (fields: LogFields, message: string) => void;
  readonly info: (fields: LogFields, message: string) => void;
  readonly warn: (fields: LogFields, message: string) => void;
  readonly error: (fields: LogFields, message: string) => void;
}

/** What belongs to one log line. */
export type LogFields = Readonly<Record<string, unknown>>;
