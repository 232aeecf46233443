import { lineFormat } from './event-format.ts';
import { DEFAULT_EVENT_GROUPS, eventGroups } from './event-group.ts';
import { pathOr } from './kind.ts';
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
