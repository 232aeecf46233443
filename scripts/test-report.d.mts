/** A file and the names of its failed assertions; the file is empty if tap itself failed. */
export interface Failure {
  readonly file: string;
  readonly names: readonly string[];
}
/** Counts of assertions, not of files. */
export interface Outcome {
  readonly passed: number;
  readonly skips: readonly { readonly reason: string; readonly file: string }[];
  readonly failures: readonly Failure[];
}
/** A file of `files` without a result is a failure. */
export declare function parseReport(text: string, files: readonly string[]): Outcome;
export declare function fileTimes(text: string): readonly (readonly [file: string, seconds: number])[];
export declare function summarize(
  outcome: Outcome,
  run: { readonly strict: boolean; readonly absent: readonly string[]; readonly unstable: readonly string[] },
): { readonly lines: readonly string[]; readonly status: 0 | 1 };
