import { safe } from '../../api/safe.ts';

/** One run of a program, for a log of SARIF. */
export interface SarifRun {
  /** Version of this program. */
  readonly version: string;
  readonly rules: readonly object[];
  readonly results: readonly object[];
  /** RFC 3339. */
  readonly endTime: string;
  /** False: something that was asked for could not be examined. */
  readonly isComplete: boolean;
  readonly properties: object;
}

/** A log in SARIF 2.1.0 (OASIS, https://docs.oasis-open.org/sarif/sarif/v2.1.0/) with one run. */
export function sarifLog({ version, rules, results, endTime, isComplete, properties }: SarifRun): object {
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'plimsoll', version, rules } },
        invocations: [{ executionSuccessful: isComplete, endTimeUtc: endTime }],
        columnKind: 'utf16CodeUnits',
        results,
        properties,
      },
    ],
  };
}

/** GitHub demands a file and a region for each result: the file at its first character. `name`: the thing it is in. */
export function sarifLocations(path: string, name: string, kind: string): readonly object[] {
  return [
    {
      physicalLocation: {
        artifactLocation: { uri: uriOf(path) },
        region: { startLine: 1, startColumn: 1, endLine: 1, endColumn: 1 },
      },
      logicalLocations: [{ fullyQualifiedName: safe(name), kind }],
    },
  ];
}

/** A relative URI of a path or reference, whatever characters it holds: a colon would look like a scheme. */
export function uriOf(path: string): string {
  const parts = path
    .toWellFormed()
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..');
  return parts.length === 0 ? 'image' : parts.map(encodeURIComponent).join('/');
}
