import { word } from './kind.ts';
import type { Kind } from './kind.ts';

/** Formats of events. */
export type EventFormat = 'ocsf' | 'ecs' | 'cef' | 'leef' | 'cloudevents' | 'falco';

/** Any format, for receivers of lines. */
export function lineFormat(): Kind<EventFormat> {
  return word('ocsf', 'ecs', 'cef', 'leef', 'cloudevents', 'falco');
}

/** Formats that are JSON objects. */
export function jsonFormat(): Kind<'ocsf' | 'ecs' | 'cloudevents' | 'falco'> {
  return word('ocsf', 'ecs', 'cloudevents', 'falco');
}

/** Formats that fit an index of documents. */
export function documentFormat(): Kind<'ocsf' | 'ecs'> {
  return word('ocsf', 'ecs');
}
