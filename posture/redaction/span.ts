/** A secret within a text. */
export interface SecretSpan {
  readonly start: number;
  /** Behind its last character. */
  readonly end: number;
  /** What it is, with an article: `a GitHub token`. */
  readonly what: string;
  /** The name that it is given to: DB_PASSWORD. */
  readonly name?: string;
}
