import type { Severity } from '../../posture/verdict.ts';
import type { VulnerabilitySeverity } from '../../vulnerability/vulnerability.ts';
import { isDenialEvent, isFindingEvent, isRemediationEvent, isVulnerabilityEvent } from '../store/store.ts';
import type { VulnerabilityEvent } from '../store/image-store.ts';
import type { DenialEvent, RefusalEvent, RemediationEvent, StoredEvent } from '../store/store.ts';
import { safeJson } from '../../api/safe.ts';
import { shorterVersions, shorterVulnerabilities } from '../event/ocsf/shorter.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { formatMessage, frameOf } from './syslog-message.ts';
import type { Facility, Framing } from './syslog-message.ts';

/** How events become messages. */
export interface FrameOptions {
  readonly facility: Facility;
  /** Most bytes of a message, header included, the length before it not. */
  readonly maxBytes: number;
  /** Tells one run of the collector from another. */
  readonly procId: string;
  /** Absent: octet counting. */
  readonly framing?: Framing;
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
 * The frame of an event: one RFC 5424 message whose text is the OCSF event as JSON, never cut, but rendered shorter if
 * it has more than `maxBytes`. Undefined if not even its summary fits.
 */
export function toFrame(event: StoredEvent, ocsf: OcsfEvent, options: FrameOptions): Buffer | undefined {
  const whole = messageOf(event, ocsf, options);
  if (whole.length <= options.maxBytes) return frameOf(whole, options.framing);
  if (isVulnerabilityEvent(event)) {
    for (const shorter of shorterVulnerabilities(ocsf)) {
      const message = vulnerabilityMessage(event, shorter, options);
      if (message.length <= options.maxBytes) return frameOf(message, options.framing);
    }
    return undefined;
  }
  if (isDenialEvent(event)) {
    const message = denialMessage(event, withoutDescription(ocsf), options);
    return message.length <= options.maxBytes ? frameOf(message, options.framing) : undefined;
  }
  if (!isFindingEvent(event)) return undefined;
  for (const shorter of shorterVersions(ocsf)) {
    const message = messageOf(event, shorter, options);
    if (message.length <= options.maxBytes) return frameOf(message, options.framing);
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

function messageOf(event: StoredEvent, ocsf: OcsfEvent, options: FrameOptions): Buffer {
  if (isVulnerabilityEvent(event)) return vulnerabilityMessage(event, ocsf, options);
  if (isDenialEvent(event)) return denialMessage(event, ocsf, options);
  if (isRemediationEvent(event)) return remediationMessage(event, ocsf, options);
  if (!isFindingEvent(event)) return refusalMessage(event, ocsf, options);
  const { uid, action, atMs, finding } = event;
  const { nodeId, nodeName, check, verdict, severity } = finding;
  return formatMessage({
    facility: options.facility,
    severity: SEVERITIES[severity],
    atMs,
    hostname: nodeName,
    appName: 'plimsoll',
    procId: options.procId,
    msgId: `finding-${action}`,
    // The node is here too: some receivers put the sender's name in place of HOSTNAME.
    element: { id: ELEMENT, parameters: { node: nodeId, name: nodeName, uid, check, verdict, action } },
    text: safeJson(ocsf),
  });
}

/** A vulnerability of a package version: it is of no one node, so HOSTNAME is nil. */
function vulnerabilityMessage(event: VulnerabilityEvent, ocsf: OcsfEvent, { facility, procId }: FrameOptions): Buffer {
  const { uid, atMs, action, vulnerability, package: found } = event;
  return formatMessage({
    facility,
    severity: VULNERABILITY_LEVELS[vulnerability.severity],
    atMs,
    hostname: '',
    appName: 'plimsoll',
    procId,
    msgId: `vulnerability-${action}`,
    element: {
      id: ELEMENT,
      parameters: {
        uid,
        vulnerability: vulnerability.id,
        severity: vulnerability.severity,
        package: found.name,
        action,
      },
    },
    text: safeJson(ocsf),
  });
}

/** A request that violated a policy: HOSTNAME is the replica or host that decided, as it calls itself. */
function denialMessage({ uid, atMs, reporter, denial }: DenialEvent, ocsf: OcsfEvent, options: FrameOptions): Buffer {
  const { outcome, program, namespace, name } = denial;
  return formatMessage({
    facility: options.facility,
    severity: SEVERITIES[outcome === 'denied' ? 'medium' : outcome === 'overridden' ? 'high' : 'info'],
    atMs,
    hostname: reporter,
    appName: 'plimsoll',
    procId: options.procId,
    msgId: `denial-${program}`,
    element: { id: ELEMENT, parameters: { uid, namespace, name, action: outcome } },
    text: safeJson(ocsf),
  });
}

/** A denial without the texts of its reasons: their codes are in the message and in `types`. */
function withoutDescription({ finding_info, ...ocsf }: OcsfEvent): OcsfEvent {
  const { desc: _desc, ...info } = finding_info as OcsfEvent;
  return { ...ocsf, finding_info: info };
}

/** A step of a remediation: it is of no one node, so HOSTNAME is nil. */
function remediationMessage(
  { uid, atMs, remediation }: RemediationEvent,
  ocsf: OcsfEvent,
  { facility, procId }: FrameOptions,
): Buffer {
  const { id, action, state, policy } = remediation;
  return formatMessage({
    facility,
    severity: SEVERITIES[state === 'failed' || state === 'rolledBack' ? 'medium' : 'info'],
    atMs,
    hostname: '',
    appName: 'plimsoll',
    procId,
    msgId: `remediation-${state}`,
    element: { id: ELEMENT, parameters: { uid, remediation: id, policy, action, state } },
    text: safeJson(ocsf),
  });
}

/** A refusal: HOSTNAME is the node that the sender claimed to be, where it named one. */
function refusalMessage(
  { uid, atMs, nodeId, address, operation }: RefusalEvent,
  ocsf: OcsfEvent,
  { facility, procId }: FrameOptions,
): Buffer {
  return formatMessage({
    facility,
    severity: SEVERITIES.medium,
    atMs,
    hostname: nodeId,
    appName: 'plimsoll',
    procId,
    msgId: `refusal-${operation}`,
    element: { id: ELEMENT, parameters: { node: nodeId, address, uid, action: operation } },
    text: safeJson(ocsf),
  });
}
