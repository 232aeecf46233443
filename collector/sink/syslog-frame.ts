import type { Severity } from '../../posture/verdict.ts';
import type { VulnerabilitySeverity } from '../../vulnerability/vulnerability.ts';
import type { ActivityEvent } from '../event/activity.ts';
import {
  isActivityEvent,
  isDenialEvent,
  isDetectionEvent,
  isFindingEvent,
  isRemediationEvent,
  isVulnerabilityEvent,
} from '../store/stored-event.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { EventFormat } from '../../service/config/event-format.ts';
import { toText } from '../event/line.ts';
import { viewOf } from '../event/view/view.ts';
import { versionsOf } from '../event/ocsf/shorter.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { formatMessage, frameOf } from './syslog-message.ts';
import type { Facility, Framing } from './syslog-message.ts';

/** How events become messages. */
export interface FrameOptions {
  readonly facility: Facility;
  /** Most bytes of a message, header included, the length before it not. */
  readonly maxBytes: number;
  /** Distinguishes runs of the collector. */
  readonly procId: string;
  /** Absent: octet counting. */
  readonly framing?: Framing;
  /** Of the text; absent: OCSF. */
  readonly format?: EventFormat;
}

/** Syslog severities: Critical, Error, Warning, Notice, Informational. The first three leave room above them. */
const SEVERITIES = Object.freeze({ critical: 2, high: 3, medium: 4, low: 5, info: 6 } satisfies Record<
  Severity,
  number
>);

const VULNERABILITY_LEVELS = Object.freeze({
  critical: 2,
  high: 3,
  medium: 4,
  low: 5,
  negligible: 6,
  unknown: 4,
} satisfies Record<VulnerabilitySeverity, number>);

/**
 * Name of the element with what a receiver may route by without parsing JSON. 32473 is the enterprise number that
 * RFC 5612 sets aside for examples: Plimsoll has none of its own, and it can clash with nobody's.
 */
const ELEMENT = 'plimsoll@32473';

/**
 * The frame of an event: one RFC 5424 message whose text is the event in its format, never cut, but rendered shorter if
 * it has more than `maxBytes`. Undefined if not even its summary fits.
 */
export function toFrame(event: StoredEvent, ocsf: OcsfEvent, options: FrameOptions): Buffer | undefined {
  const head = headOf(event, ocsf);
  const view = viewOf(options.format ?? 'ocsf');
  for (const version of versionsOf(event, ocsf)) {
    const message = formatMessage({
      facility: options.facility,
      severity: head.severity,
      atMs: event.atMs,
      hostname: head.hostname,
      appName: 'plimsoll',
      procId: options.procId,
      msgId: head.msgId,
      element: { id: ELEMENT, parameters: { ...head.parameters, uid: event.uid } },
      text: toText(view(version)),
    });
    if (Buffer.byteLength(message) <= options.maxBytes) return frameOf(message, options.framing);
  }
  return undefined;
}

/** An event as it is sent. */
export interface Frame {
  readonly position: number;
  readonly bytes: Buffer;
}

/** The frames of a batch, in order, and the uids of events whose summary is too large. */
export function framesOf(batch: readonly StoredEvent[], ocsf: readonly OcsfEvent[], options: FrameOptions) {
  const frames: Frame[] = [];
  const tooLarge: string[] = [];
  for (const [index, event] of batch.entries()) {
    const bytes = toFrame(event, ocsf[index] ?? {}, options);
    if (bytes === undefined) tooLarge.push(event.uid);
    else frames.push({ position: event.position, bytes });
  }
  return { frames, tooLarge };
}

/** What the header of a message says of an event. HOSTNAME is nil for what is of no one node. */
interface Head {
  readonly severity: number;
  readonly hostname: string;
  readonly msgId: string;
  /** Some receivers put the sender's name in place of HOSTNAME, so the node is here too. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Texts of nodes are those of the OCSF event, in which they may be redacted. */
function headOf(event: StoredEvent, ocsf: OcsfEvent): Head {
  const node = textAt(ocsf, 'device', 'uid');
  const name = textAt(ocsf, 'device', 'name');
  if (isFindingEvent(event)) {
    const { action, finding } = event;
    const { check, verdict, severity } = finding;
    const parameters = { node, name, check, verdict, action };
    return { severity: SEVERITIES[severity], hostname: name, msgId: `finding-${action}`, parameters };
  }
  if (isVulnerabilityEvent(event)) {
    const { action, vulnerability } = event;
    const { severity } = vulnerability;
    const id = textAt(ocsf, 'vulnerabilities', 'cve', 'uid') || textAt(ocsf, 'vulnerabilities', 'advisory', 'uid');
    const found = textAt(ocsf, 'vulnerabilities', 'affected_packages', 'name');
    const parameters = { vulnerability: id, severity, package: found, action };
    return { severity: VULNERABILITY_LEVELS[severity], hostname: '', msgId: `vulnerability-${action}`, parameters };
  }
  if (isDenialEvent(event)) {
    // HOSTNAME is the replica or host that decided, as it calls itself.
    const { outcome, program } = event.denial;
    const severity = SEVERITIES[outcome === 'denied' ? 'medium' : outcome === 'overridden' ? 'high' : 'info'];
    const namespace = textAt(ocsf, 'resources', 'namespace');
    const parameters = { namespace, name: textAt(ocsf, 'resources', 'name'), action: outcome };
    return { severity, hostname: textAt(ocsf, 'unmapped', 'reporter'), msgId: `denial-${program}`, parameters };
  }
  if (isRemediationEvent(event)) {
    const { action, state } = event.remediation;
    const severity = SEVERITIES[['failed', 'rolledBack', 'notObserved'].includes(state) ? 'medium' : 'info'];
    const policy = textAt(ocsf, 'unmapped', 'policy');
    return {
      severity,
      hostname: '',
      msgId: `remediation-${state}`,
      parameters: { remediation: textAt(ocsf, 'command_uid'), policy, action, state },
    };
  }
  if (isDetectionEvent(event)) {
    const { rule, severity } = event.detection;
    const parameters = { node, name, rule, subject: textAt(ocsf, 'resources', 'name') };
    return { severity: SEVERITIES[severity], hostname: name, msgId: 'detection', parameters };
  }
  if (isActivityEvent(event)) return headOfActivity(event, ocsf);
  // HOSTNAME is the node that the sender claimed to be, where it named one.
  const { operation } = event;
  const claimed = textAt(ocsf, 'actor', 'app_uid');
  const parameters = { node: claimed, address: addressOf(ocsf), action: operation };
  return { severity: SEVERITIES.medium, hostname: claimed, msgId: `refusal-${operation}`, parameters };
}

function headOfActivity({ activity }: ActivityEvent, ocsf: OcsfEvent): Head {
  const { kind } = activity;
  const head = { severity: SEVERITIES.info, msgId: `activity-${kind}` };
  const node = textAt(ocsf, 'device', 'uid');
  const name = textAt(ocsf, 'device', 'name');
  switch (activity.kind) {
    case 'audit': {
      const { operation, code } = activity.record;
      return { ...head, hostname: '', parameters: { address: addressOf(ocsf), action: operation, code } };
    }
    case 'lifecycle':
      return { ...head, hostname: name, parameters: { node, name, action: activity.change } };
    case 'drop':
      return { ...head, severity: SEVERITIES.high, hostname: '', parameters: { action: 'drop', sink: activity.sink } };
    case 'configuration': {
      const { check, verdict, severity } = activity;
      return {
        ...head,
        severity: verdict === 'fail' ? SEVERITIES[severity] : head.severity,
        hostname: name,
        parameters: { node, name, check, verdict },
      };
    }
    case 'device':
    case 'software':
    case 'scan':
    case 'evidence':
      return { ...head, hostname: name, parameters: { node, name } };
  }
}

function addressOf(ocsf: OcsfEvent): string {
  return textAt(ocsf, 'src_endpoint', 'ip') || textAt(ocsf, 'src_endpoint', 'name');
}

/** A text of an event; of a list, that of its first item. Empty: it has none. */
function textAt(event: OcsfEvent, ...path: readonly string[]): string {
  let value: unknown = event;
  for (const name of path) {
    const first: unknown = Array.isArray(value) ? value[0] : value;
    value = typeof first === 'object' && first !== null ? (first as OcsfEvent)[name] : undefined;
  }
  return typeof value === 'string' ? value : '';
}
