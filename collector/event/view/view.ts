import type { EventFormat } from '../../../service/config/event-format.ts';
import type { RenderedEvent } from '../line.ts';
import type { OcsfEvent } from '../ocsf/ocsf.ts';
import { toCef } from './cef.ts';
import { toCloudEvent } from './cloud-event.ts';
import { toEcs } from './ecs.ts';
import { toFalco } from './falco.ts';
import { toLeef } from './leef.ts';

/** An event in the format that a receiver wants: a JSON object, or one line of text. */
export type View = (event: OcsfEvent) => RenderedEvent;

const VIEWS = {
  ocsf: (event) => event,
  ecs: toEcs,
  cef: toCef,
  leef: toLeef,
  cloudevents: toCloudEvent,
  falco: toFalco,
} as const satisfies Record<EventFormat, View>;

/** The view of a format. */
export function viewOf(format: EventFormat): View {
  return VIEWS[format];
}
