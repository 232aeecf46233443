import { lineFormat } from './event-format.ts';
import { DEFAULT_EVENT_GROUPS, eventGroups } from './event-group.ts';
import { pathOr, textOr } from './kind.ts';
import type { Program, SettingDefinition } from './setting.ts';

/** The programs with sinks. */
export const COLLECTOR = ['collector', 'up'] as const satisfies readonly Program[];

/** Which events a sink gets. */
export const EVENTS = {
  kind: eventGroups(),
  default: DEFAULT_EVENT_GROUPS,
  description:
    'Groups of events that this sink gets, separated by commas, or `all`. Groups that no sink gets are not recorded.',
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;

/** Which of these events it gets. */
export const FILTER = {
  kind: textOr(4096, 'none', 'a CEL expression of at most 4096 characters'),
  default: 'none',
  description:
    'CEL condition about `event`, the OCSF event: this sink gets only events for which it is true or not known; `none`: all. [How filters work](sinks.md#filters)',
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;

/** What is left out of them. */
export const REDACT = {
  kind: textOr(4096, 'none', 'attributes of events such as device.hostname=hash, evidences[].data=replace'),
  default: 'none',
  description:
    'Attributes of the OCSF event that are redacted for this sink, separated by commas, each followed by `=replace` (default), `=hash` or `=remove`; `none`: nothing. [How redaction works](sinks.md#redaction)',
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;

/** The start of the description of a format. */
export const FORMAT = 'Format of the events: `ocsf`, `ecs` (Elastic Common Schema)';

/** Any format. */
export const LINE_FORMAT = {
  kind: lineFormat(),
  default: 'ocsf',
  description: `${FORMAT}, \`cef\`, \`leef\`, \`cloudevents\` or \`falco\`.`,
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;

/** Authorities for the certificate of a receiver. */
export const CA = {
  kind: pathOr('system'),
  default: 'system',
  description: 'CA certificates in PEM for the certificate of that receiver; `system`: those that this machine trusts.',
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;
