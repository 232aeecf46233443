import * as s from '../posture/schema.ts';
import type { AuthorizationRequest } from '../policy/docker/authorize.ts';

/**
 * `POST /AuthZPlugin.AuthZReq` of https://docs.docker.com/engine/extend/plugins_authorization/. Only what is decided by
 * is read. dockerd sends it, and is trusted; what is in it comes from its client.
 */
const messageSchema = s.object({
  User: s.withDefault(s.string('common name of the client certificate', 4096), ''),
  UserAuthNMethod: s.withDefault(s.string('`TLS`', 64), ''),
  RequestMethod: s.string('', 64),
  RequestUri: s.string('', 1024 * 1024),
  RequestBody: s.nullable(s.string('base64', 8 * 1024 * 1024)),
  RequestHeaders: s.withDefault(s.record(s.string('', 1024 * 1024)), {}),
});

/** The request that dockerd asks about, or what is wrong with the message. */
export function parsePluginMessage(bytes: Uint8Array): s.Parsed<AuthorizationRequest> {
  let message: unknown;
  try {
    message = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return { ok: false, problem: 'it is not JSON' };
  }
  const parsed = messageSchema.parse(message);
  if (!parsed.ok) return parsed;
  const { User, UserAuthNMethod, RequestMethod, RequestUri, RequestBody, RequestHeaders } = parsed.value;
  return {
    ok: true,
    value: {
      client: UserAuthNMethod === 'TLS' && User !== '' ? User : undefined,
      method: RequestMethod,
      target: RequestUri,
      headers: RequestHeaders,
      body: RequestBody === null ? undefined : Buffer.from(RequestBody, 'base64'),
    },
  };
}
