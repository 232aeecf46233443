import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** OCSF Compliance Finding. Refused requests of nodes are of another class, and have no history. */
const COMPLIANCE_FINDING = 2003;

/** One event of a finding as the NDJSON sink wrote it; only what is looked at. */
export interface ShippedEvent {
  readonly class_uid: number;
  readonly activity_name: 'Create' | 'Update' | 'Close';
  readonly time: number;
  readonly metadata: { readonly uid: string; readonly sequence: number };
  readonly finding_info: { readonly uid: string; readonly analytic: { readonly uid: string } };
  readonly resources: readonly { readonly uid: string; readonly type: string }[];
  readonly severity: string;
  readonly unmapped: { readonly verdict: string };
}

/** All that a sink wrote about findings. */
export interface Shipped {
  /** Each event once, in the order in which they came first. */
  readonly events: readonly ShippedEvent[];
  /** Lines that came again. */
  readonly repeated: number;
  /** Lines that are no JSON: what a SIGKILL left of a write. */
  readonly torn: number;
  /** What must not be, in words: a line that came again and says something else. */
  readonly problems: readonly string[];
}

/** Reads the file and those that were rotated away, oldest first. */
export function readShipped(path: string): Shipped {
  const events: ShippedEvent[] = [];
  const problems: string[] = [];
  const known = new Map<string, string>();
  let [repeated, torn] = [0, 0];
  for (const file of filesOf(path))
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (line === '') continue;
      const event = parse(line);
      if (event === undefined) {
        torn += 1;
        continue;
      }
      if (event.class_uid !== COMPLIANCE_FINDING) continue;
      const { uid } = event.metadata;
      const said = lasting(event);
      const before = known.get(uid);
      if (before === undefined) {
        known.set(uid, said);
        events.push(event);
        continue;
      }
      repeated += 1;
      if (before !== said) problems.push(`event ${uid} came again and says something else:\n  ${before}\n  ${said}`);
    }
  return { events, repeated, torn, problems };
}

function filesOf(path: string): readonly string[] {
  const name = path.slice(dirname(path).length + 1);
  const numbers = readdirSync(dirname(path))
    .filter((entry) => entry === name || entry.startsWith(`${name}.`))
    .map((entry) => (entry === name ? 0 : Number(entry.slice(name.length + 1))));
  return numbers
    .sort((one, other) => other - one)
    .map((number) => join(dirname(path), number === 0 ? name : `${name}.${String(number)}`));
}

function parse(line: string): ShippedEvent | undefined {
  try {
    return JSON.parse(line) as ShippedEvent;
  } catch {
    return undefined;
  }
}

/**
 * What of an event is the same whenever it is sent. The rest is what is known when it is sent: the moment of sending,
 * and the node (its name in the message included) and the container as they are now.
 */
function lasting(event: ShippedEvent): string {
  return JSON.stringify(event, (key, value: unknown) =>
    key === 'logged_time' || key === 'device' || key === 'container' || key === 'message' ? undefined : value,
  );
}
