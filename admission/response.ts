import { safe } from '../api/safe.ts';
import type { PodReason } from '../policy/pod/decide-pod.ts';
import type { PatchOperation } from './pin-images.ts';
import type { RequestJudgement } from './judge-request.ts';
import type { AdmissionRequest, AdmissionResponse } from './review.ts';

/** Characters of a message. The API server sets no limit; events of controllers keep the first 1,024. */
const MAX_MESSAGE = 16_384;
/** The API server truncates warnings beyond 256 characters each and 4,096 bytes together. */
const MAX_WARNING = 256;
const MAX_WARNINGS = 15;
const MAX_ANNOTATION = 1024;

/** What the API server gets for a judgement. */
export function responseOf(
  { uid }: Pick<AdmissionRequest, 'uid'>,
  judgement: RequestJudgement,
  patch: readonly PatchOperation[] = [],
): AdmissionResponse {
  const { allowed, decision, breakGlass } = judgement;
  const overridden = breakGlass === undefined ? [] : decision.reasons;
  const warnings = [
    ...(breakGlass === undefined ? [] : [`plimsoll: break-glass: ${String(overridden.length)} reasons overridden`]),
    ...[...overridden, ...decision.warnings].map((reason) => `plimsoll: ${describe(reason)}`),
  ];
  return {
    uid,
    allowed,
    ...(allowed ? {} : { status: { code: 403, reason: 'Forbidden', message: denialMessage(decision.reasons) } }),
    ...(warnings.length === 0 ? {} : { warnings: shortenWarnings(warnings) }),
    auditAnnotations: auditAnnotations(judgement),
    ...(patch.length === 0
      ? {}
      : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
  };
}

/** Every reason with what to do, one a line, as far as there is room; then how many more there are. */
export function denialMessage(reasons: readonly PodReason[]): string {
  const head = `plimsoll: ${String(reasons.length)} ${reasons.length === 1 ? 'reason' : 'reasons'} against it`;
  let text = head;
  for (const [index, reason] of reasons.entries()) {
    const line = `\n${String(index + 1)}. ${describe(reason)}`;
    if (text.length + line.length > MAX_MESSAGE - 64)
      return `${text}\n${String(reasons.length - index)} further reasons are not shown.`;
    text += line;
  }
  return text;
}

function describe({ path, image, control, code, actual, expected, action, policy, rule, message }: PodReason): string {
  const place = path === '' ? '' : `${path}: `;
  const what = `${control ?? code}: ${actual}; expected ${expected}.`;
  const about = image === undefined ? '' : `image ${image}: `;
  const source = policy === '' ? '' : ` (policy ${policy}, ${rule})`;
  return safe(`${place}${about}${what} ${action}${message === undefined ? '' : ` ${message}`}${source}`.slice(0, 2048));
}

function shortenWarnings(warnings: readonly string[]): readonly string[] {
  const shown = warnings.slice(0, MAX_WARNINGS - 1).map((text) => shorten(text, MAX_WARNING));
  const rest = warnings.length - shown.length;
  return rest === 0 ? shown : [...shown, `plimsoll: ${String(rest)} further warnings are not shown`];
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** Keys are shown with the name of the webhook before them in the audit log of the API server. */
function auditAnnotations({
  allowed,
  skipped,
  decision,
  breakGlass,
}: RequestJudgement): Readonly<Record<string, string>> {
  const list = (reasons: readonly PodReason[]): string =>
    shorten([...new Set(reasons.map(({ control, code }) => control ?? code))].join(','), MAX_ANNOTATION);
  return {
    decision:
      skipped === undefined
        ? breakGlass === undefined
          ? allowed
            ? 'allow'
            : 'deny'
          : 'break-glass'
        : `skipped:${skipped}`,
    ...(decision.policies.length === 0 ? {} : { policies: shorten(decision.policies.join(','), MAX_ANNOTATION) }),
    ...(decision.reasons.length === 0 ? {} : { violations: list(decision.reasons) }),
    ...(decision.warnings.length === 0 ? {} : { warnings: list(decision.warnings) }),
    ...(decision.observed.length === 0 ? {} : { observed: list(decision.observed) }),
    ...(breakGlass === undefined ? {} : { 'break-glass': shorten(safe(breakGlass), MAX_ANNOTATION) }),
  };
}
