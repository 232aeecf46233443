import { compileCondition, evaluateCondition } from '../posture/expression.ts';
import type { ConditionValue } from '../posture/expression.ts';
import type { CelType } from '../posture/query/type.ts';
import { Unread } from '../posture/query/unread.ts';
import { eventType } from './event-type.ts';

/** The variable of a filter: the OCSF event. */
const VARIABLE = 'event';
/** Work for one event: about a millisecond. The condition of a check may use ten times as much. */
const MAX_UNITS = 20_000;
/** Levels of an event that are read; those of the collector have fewer than ten, beside the answers of queries. */
const MAX_DEPTH = 64;

/** Findings of one class that stay open at a receiver. */
export interface HiddenResolution {
  /** Group of events of that class. */
  readonly group: 'findings' | 'vulnerabilities';
  readonly reason: string;
}

/** A condition about OCSF events. */
export interface EventFilter {
  readonly text: string;
  /** Does it hold for this event, as JSON? Not known: an attribute that it compares is absent, or it has no value. */
  readonly holds: (event: Readonly<Record<string, unknown>>) => ConditionValue;
  /**
   * Why a receiver would never learn that a finding is resolved: the filter lets the event of an open finding through and
   * leaves out the event that ends it, whatever else the two contain. By class; empty where that is not certain.
   */
  readonly hiddenResolutions: readonly HiddenResolution[];
}

/** Compiles a filter. `problem` is one line with the place: `event has no field …; did you mean …? (at character 7)`. */
export function compileEventFilter(
  text: string,
): { readonly ok: true; readonly filter: EventFilter } | { readonly ok: false; readonly problem: string } {
  const type = eventType();
  const compiled = compileCondition(text, new Map([[VARIABLE, type]]));
  if (!compiled.ok) return compiled;
  const { expression } = compiled;
  if (!expression.variables.has(VARIABLE))
    return { ok: false, problem: 'it does not name `event`, so it is the same for every event' };
  const evaluate = (value: unknown): ConditionValue =>
    evaluateCondition(expression, new Map([[VARIABLE, value]]), MAX_UNITS);
  return {
    ok: true,
    filter: {
      text,
      holds: (event) => evaluate(celValue(event, type, 0)),
      hiddenResolutions: findHiddenResolutions(type, evaluate),
    },
  };
}

/** JSON as the values of CEL. Whole numbers are `int`, unless the type of the attribute is `double`. */
function celValue(value: unknown, type: CelType | undefined, depth: number): unknown {
  if (depth > MAX_DEPTH) return new Unread('event', 'it is nested too deep');
  if (typeof value === 'number') return type?.kind !== 'double' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) {
    const item = type?.kind === 'list' ? type.item : undefined;
    return value.map((each) => celValue(each, item, depth + 1));
  }
  if (typeof value !== 'object' || value === null) return value === undefined ? null : value;
  const fields = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value))
    if (inner !== undefined)
      fields[name] = celValue(inner, type?.kind === 'object' ? type.fields.get(name) : undefined, depth + 1);
  return fields;
}

/** Attributes that differ between the first event of a finding and the last one. */
interface Stage {
  readonly name: string;
  readonly activity: readonly [id: number, name: string];
  readonly status: readonly [id: number, name: string];
  /** Only of a Compliance Finding. */
  readonly verdict?: readonly [id: number, name: string, verdict: string];
}

const OPENED = { name: 'open', activity: [1, 'Create'], status: [1, 'New'] } as const satisfies Stage;
const RESOLVED = { activity: [3, 'Close'], status: [4, 'Resolved'] } as const;
const FAIL = [3, 'Fail', 'fail'] as const;

/** A class of findings: what opens one, and what can end it. */
interface LifeCycle {
  readonly group: HiddenResolution['group'];
  readonly classUid: number;
  readonly className: string;
  readonly opened: Stage;
  readonly ends: readonly Stage[];
}

const LIFE_CYCLES: readonly LifeCycle[] = [
  {
    group: 'findings',
    classUid: 2003,
    className: 'Compliance Finding',
    opened: { ...OPENED, verdict: FAIL },
    ends: [
      { ...RESOLVED, name: 'it is fixed', verdict: [1, 'Pass', 'pass'] },
      { ...RESOLVED, name: 'its subject is gone', verdict: FAIL },
    ],
  },
  {
    group: 'vulnerabilities',
    classUid: 2002,
    className: 'Vulnerability Finding',
    opened: OPENED,
    ends: [{ ...RESOLVED, name: 'it is resolved' }],
  },
];

function findHiddenResolutions(
  type: CelType,
  evaluate: (value: unknown) => ConditionValue,
): readonly HiddenResolution[] {
  return LIFE_CYCLES.flatMap((cycle) => {
    const isExcluded = (stage: Stage): boolean => {
      const holds = evaluate(stageValue(cycle, stage, type));
      return holds.known && !holds.value;
    };
    const hidden = isExcluded(cycle.opened) ? undefined : cycle.ends.find(isExcluded);
    return hidden === undefined
      ? []
      : [
          {
            group: cycle.group,
            reason: `it leaves out the event of a ${cycle.className} with which ${hidden.name}, so the finding stays open at the receiver`,
          },
        ];
  });
}

/** An event of a finding: only its class and its stage are known. */
function stageValue({ classUid, className }: LifeCycle, stage: Stage, type: CelType): unknown {
  const { activity, status, verdict } = stage;
  const known = {
    class_uid: BigInt(classUid),
    class_name: className,
    category_uid: 2n,
    category_name: 'Findings',
    activity_id: BigInt(activity[0]),
    activity_name: activity[1],
    type_uid: BigInt(classUid * 100 + activity[0]),
    type_name: `${className}: ${activity[1]}`,
    status_id: BigInt(status[0]),
    status: status[1],
    ...(verdict && {
      compliance: { ...unreadFields(type, 'compliance'), status_id: BigInt(verdict[0]), status: verdict[1] },
      unmapped: { verdict: verdict[2] },
    }),
  };
  return { ...unreadFields(type), ...known };
}

/** All attributes of an event, or of an object in it, each not known. */
function unreadFields(type: CelType, of?: string): Readonly<Record<string, unknown>> {
  const object = of === undefined || type.kind !== 'object' ? type : type.fields.get(of);
  if (object?.kind !== 'object') return {};
  return Object.fromEntries([...object.fields.keys()].map((name) => [name, new Unread(name, 'it is any value')]));
}
