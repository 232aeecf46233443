import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../service/clock.ts';
import type { AuditEntry, AuditLog } from '../audit/audit-log.ts';
import { auditParameters } from '../audit/parameters.ts';
import { ACCESS } from './access.ts';
import type { Operation } from './access.ts';
import { ANONYMOUS } from './principal.ts';
import type { Principal } from './principal.ts';
import type { ParsedRequest } from './request.ts';
import type { Route } from './route.ts';

/** A call that is recorded once its answer was sent or its connection is gone. */
export interface AuditedCall {
  principal: Principal;
  /** What the call asks for, once it was parsed. */
  readonly setInput: (input: ParsedRequest) => void;
  /** Records that the call is carried out. Resolves to false where that could not be written. */
  readonly start: () => Promise<boolean>;
  /** Records the call now; it is recorded once. */
  readonly complete: () => void;
}

/** What a call is recorded with. */
export interface CallContext {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

const PROBES: ReadonlySet<Operation> = new Set(['getHealth', 'getLiveness', 'getReadiness'] as const);

/** Begins a call of `route`. */
export function beginCall(route: Route, { request, reply, audit, clock }: CallContext): AuditedCall {
  const { method, operation } = route;
  const isOpen = ACCESS[operation] === 'open';
  const [id, atMs, startMs] = [audit.nextId(), clock.now(), clock.monotonic()];
  const address = request.ip;
  let parameters = auditParameters(request.params);
  let isComplete = false;
  const entry = (status: number, code: string): AuditEntry => {
    const { kind, id: principalId, name, isSession, role } = call.principal;
    return {
      id,
      atMs,
      principal: { kind, id: principalId.slice(0, 512), name: name.slice(0, 512), session: isSession },
      role: kind === 'anonymous' ? null : role,
      address,
      method,
      operation,
      parameters,
      status,
      code,
      durationMs: Math.round(clock.monotonic() - startMs),
    };
  };
  const complete = (): void => {
    // A probe of an orchestrator comes every few seconds and says nothing about anybody.
    if (isComplete || PROBES.has(operation)) return;
    isComplete = true;
    // Enforcing programs report every few seconds; what they report has its source.
    if (operation === 'reportDenials' && reply.raw.statusCode === 200 && reply.raw.headersSent) return;
    const isSent = reply.raw.headersSent || reply.sent;
    audit.complete(isSent ? entry(reply.raw.statusCode, reply.errorCode) : entry(0, 'aborted'));
  };
  const call: AuditedCall = {
    principal: ANONYMOUS,
    setInput: ({ params, query, body }) => {
      // The bodies of routes that need no token are credentials.
      parameters = auditParameters(params, query, isOpen ? undefined : body);
    },
    start: () => audit.start(entry(0, '')),
    complete,
  };
  reply.raw.once('close', complete);
  return call;
}
