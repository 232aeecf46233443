import { suggestion } from '../posture/query/nearest.ts';
import type { CelType } from '../posture/query/type.ts';
import { eventType } from './event-type.ts';

/** What becomes of the values of an attribute: a fixed text, a keyed hash of each, or nothing. */
export type RedactionAction = (typeof ACTIONS)[number];

/** Attributes of an event, and what becomes of them. */
export interface RedactionRule {
  /** Names of attributes from the event on; {@link ITEMS}: every item of a list. */
  readonly path: readonly string[];
  readonly action: RedactionAction;
  /** The attribute has no type: it is replaced as a whole. */
  readonly isOpen: boolean;
}

/** The segment of a path that selects every item of a list. No attribute has this name. */
export const ITEMS = '[]';

const ACTIONS = ['replace', 'hash', 'remove'] as const;
const MAX_RULES = 100;
const MAX_DEPTH = 16;

/**
 * Attributes whose texts are words of OCSF or of Plimsoll, and all below them: a container could be named `fail` or
 * `High`. They are never changed.
 */
const VOCABULARY: ReadonlySet<string> = new Set([
  'activity_name',
  'category_name',
  'class_name',
  'type_name',
  'severity',
  'status',
  'status_code',
  'action',
  'disposition',
  'metadata',
  'finding_info.types',
  'finding_info.analytic',
  'finding_info.attacks',
  'compliance.control',
  'compliance.standards',
  'compliance.requirements',
  'compliance.status',
  'remediation',
  'evidences[].api.service',
  'vulnerabilities[].severity',
  'device.type',
  'device.os.type',
  'device.agent_list[].name',
  'device.agent_list[].type',
  'device.agent_list[].version',
  'resources[].type',
  'resources[].role',
  'api.operation',
  'api.service',
  'app',
  'state',
  'security_level',
  'prev_security_level',
  'security_states',
  'prev_security_states',
  'scan.name',
  'scan.type',
  'query_info.name',
  'query_result',
  'query_evidence.query_type',
  'query_evidence.service.name',
  'unmapped.verdict',
  'unmapped.previous_verdict',
  'unmapped.cause',
  'unmapped.check',
  'unmapped.state',
  'unmapped.action',
  'unmapped.role',
  'unmapped.sink',
  'unmapped.fix_status',
  'unmapped.ransomware',
  'unmapped.subject.kind',
]);

/**
 * Attributes that OCSF 1.8 requires in a class or object that has them, also where one of several is required: without
 * them an event is not valid. https://schema.ocsf.io/1.8.0
 */
const REQUIRED: ReadonlySet<string> = new Set([
  'activity_id',
  'category_uid',
  'class_uid',
  'type_uid',
  'time',
  'severity_id',
  'metadata',
  'finding_info',
  'finding_info.uid',
  'compliance',
  'evidences[].data',
  'evidences[].container.uid',
  'evidences[].container.name',
  'evidences[].container.image.uid',
  'evidences[].actor',
  'evidences[].actor.app_name',
  'evidences[].actor.app_uid',
  'evidences[].actor.user',
  'evidences[].actor.user.uid',
  'evidences[].actor.user.name',
  'evidences[].api',
  'evidences[].api.operation',
  'evidences[].api.request.uid',
  'vulnerabilities',
  'vulnerabilities[].cve',
  'vulnerabilities[].cve.uid',
  'vulnerabilities[].cve.cvss[].version',
  'vulnerabilities[].cve.cvss[].base_score',
  'vulnerabilities[].cve.epss.score',
  'vulnerabilities[].advisory',
  'vulnerabilities[].advisory.uid',
  'vulnerabilities[].affected_packages[].name',
  'vulnerabilities[].affected_packages[].version',
  'device',
  'device.type_id',
  'device.uid',
  'device.name',
  'device.hostname',
  'device.os.type_id',
  'device.os.name',
  'device.agent_list[].uid',
  'device.agent_list[].type_id',
  'resources[].uid',
  'resources[].name',
  'policy.name',
  'actor',
  'actor.app_name',
  'actor.app_uid',
  'actor.user',
  'actor.user.uid',
  'actor.user.name',
  'api',
  'api.request.uid',
  'src_endpoint',
  'src_endpoint.ip',
  'src_endpoint.name',
  'sbom.package',
  'sbom.package.name',
  'sbom.package.version',
  'sbom.software_components',
  'sbom.software_components[].name',
  'sbom.software_components[].version',
  'scan',
  'scan.uid',
  'scan.type_id',
  'query_info.uid',
  'query_info.query_string',
  'query_result_id',
  'query_evidence',
  'query_evidence.query_type_id',
  'query_evidence.service',
  'query_evidence.service.uid',
  'command_uid',
]);

/** A place in an event, as far as it matters to redaction. Of names that a node chooses there is one place for all. */
export interface EventPlace {
  /** The texts of the attribute, or of an object that it is in, are never those of a node. */
  readonly isVocabulary: boolean;
  /** The attribute, or an object that it is in, has no type: its keys can be those of a node. */
  readonly isOpen: boolean;
  readonly inner: ReadonlyMap<string, EventPlace>;
}

const NOTHING: ReadonlyMap<string, EventPlace> = new Map();
const WORD: EventPlace = Object.freeze({ isVocabulary: true, isOpen: false, inner: NOTHING });
const OPEN: EventPlace = Object.freeze({ isVocabulary: false, isOpen: true, inner: NOTHING });
const TYPED: EventPlace = Object.freeze({ isVocabulary: false, isOpen: false, inner: NOTHING });
/** Attributes without a type. */
const UNTYPED: ReadonlySet<string> = new Set(['data', 'unmapped']);

/** The event itself. */
export const EVENT_PLACE: EventPlace = placeOf([...VOCABULARY].map(partsOf), false);

/** The place of an attribute, or of every item of a list ({@link ITEMS}), within what is at `place`. */
export function placeWithin(place: EventPlace, name: string): EventPlace {
  const inner = place.inner.get(name);
  if (inner !== undefined) return inner;
  if (place.isVocabulary) return WORD;
  return place.isOpen || UNTYPED.has(name) ? OPEN : TYPED;
}

function placeOf(paths: readonly (readonly string[])[], isOpen: boolean): EventPlace {
  if (paths.some((path) => path.length === 0)) return WORD;
  const inner = Map.groupBy(paths, ([name = '']) => name);
  const places = [...inner].map(([name, those]) => {
    const below = those.map((path) => path.slice(1));
    return [name, placeOf(below, isOpen || UNTYPED.has(name))] as const;
  });
  return { isVocabulary: false, isOpen, inner: new Map(places) };
}

function partsOf(path: string): readonly string[] {
  return path.replaceAll(ITEMS, `.${ITEMS}`).split('.');
}

/** Are the texts of this attribute, or of an object that it is in, never those of a node? */
export function isVocabulary(path: string): boolean {
  return partsOf(path).reduce(placeWithin, EVENT_PLACE).isVocabulary;
}

/** The text of a path: `evidences[].data["a b"]`, without quotes: `evidences[].data.a b`. */
export function pathText(path: readonly string[]): string {
  return path.reduce((text, part) => (part === ITEMS ? text + ITEMS : text === '' ? part : `${text}.${part}`), '');
}

/**
 * Reads `device.hostname=hash, evidences[].data, actor.user.name=replace`: paths with what becomes of each, replacement
 * where nothing is said. `problem` is one line.
 */
export function parseRedactions(
  text: string,
): { readonly ok: true; readonly rules: readonly RedactionRule[] } | { readonly ok: false; readonly problem: string } {
  const entries = splitEntries(text);
  if (entries.length > MAX_RULES) return { ok: false, problem: `more than ${String(MAX_RULES)} attributes` };
  const rules: RedactionRule[] = [];
  for (const entry of entries) {
    const [, written = '', word = 'replace'] = /^((?:"[^"]*"|[^="])*?)(?:\s*=\s*([^="\]]*))?$/.exec(entry) ?? [];
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined)
      return {
        ok: false,
        problem: `${quote(entry)}: after \`=\` comes ${ACTIONS.join(', ')}${suggestion(word, ACTIONS)}`,
      };
    const path = parsePath(written.trim());
    if (path === undefined)
      return {
        ok: false,
        problem: `${quote(entry)} is not a path such as device.hostname or evidences[].data["seen"]`,
      };
    const found = typeAt(path);
    if (typeof found === 'string') return { ok: false, problem: `${quote(entry)}: ${found}` };
    const refusal = refusalOf(path, found, action);
    if (refusal !== undefined) return { ok: false, problem: `${quote(entry)}: ${refusal}` };
    rules.push({ path, action, isOpen: found.kind === 'dyn' });
  }
  return { ok: true, rules };
}

/** The parts between commas that are not within quotes. */
function splitEntries(text: string): readonly string[] {
  const entries = text.match(/(?:"[^"]*"|[^,"]|")+/g) ?? [];
  return entries.map((entry) => entry.trim()).filter((entry) => entry !== '');
}

function parsePath(text: string): readonly string[] | undefined {
  const path: string[] = [];
  const part = /(?:^|\.)([\p{L}\p{N}_-]{1,128})|\["([^"]{1,128})"\]|\[\*?\]/uy;
  while (part.lastIndex < text.length) {
    const found = part.exec(text);
    if (found === null) return undefined;
    path.push(found[1] ?? found[2] ?? ITEMS);
  }
  const from = path[0] === 'event' ? path.slice(1) : path;
  return from.length === 0 || from.length > MAX_DEPTH || from[0] === ITEMS ? undefined : from;
}

/** The type of what a path leads to, or why it leads nowhere. */
function typeAt(path: readonly string[]): CelType | string {
  let type = eventType();
  for (const [index, part] of path.entries()) {
    const before = pathText(path.slice(0, index)) || 'event';
    if (type.kind === 'dyn') return type;
    if (type.kind === 'map') type = type.value;
    else if (part === ITEMS) {
      if (type.kind !== 'list') return `${before} is no list`;
      type = type.item;
    } else if (type.kind === 'list') return `${before} is a list: write ${before}[].${part}`;
    else if (type.kind !== 'object') return `${before} has no attributes`;
    else {
      const field = type.fields.get(part);
      if (field === undefined) return `${before} has no attribute \`${part}\`${suggestion(part, type.fields.keys())}`;
      type = field;
    }
  }
  return type;
}

function refusalOf(path: readonly string[], type: CelType, action: RedactionAction): string | undefined {
  const text = pathText(path);
  if (isVocabulary(text)) return 'its texts are words of OCSF or of Plimsoll, never of a node, and stay as they are';
  if (action === 'remove')
    return isRequired(text) ? 'OCSF requires it, so it cannot be removed: use =replace or =hash' : undefined;
  if (['int', 'double', 'bool'].includes(type.kind))
    return isRequired(text) ? 'OCSF requires it, and it is no text' : 'it is no text: use =remove';
  return undefined;
}

function isRequired(path: string): boolean {
  return path.endsWith(ITEMS) ? REQUIRED.has(path) || REQUIRED.has(path.slice(0, -ITEMS.length)) : REQUIRED.has(path);
}

function quote(entry: string): string {
  return `\`${entry.slice(0, 120)}\``;
}
