import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AuthorizationRequest } from '../policy/docker/authorize.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import { createBodyBudget } from '../service/body-budget.ts';
import type { BodyBudget } from '../service/body-budget.ts';
import { parsePluginMessage } from './plugin-message.ts';

/** The answer to dockerd. */
export interface PluginAnswer {
  readonly isAllowed: boolean;
  /** Shown to the client of dockerd; empty where it is allowed. */
  readonly message: string;
}

/** What the server works with. */
export interface PluginServerOptions {
  /** Decides; synchronous, so that nothing can delay it. */
  readonly decide: (request: AuthorizationRequest) => PluginAnswer;
  readonly clock: Clock;
  readonly log: Logger;
}

/** dockerd sends a body of up to 4 MiB in base64, and the same again with the response. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
/** Messages that are read at the same time. Clients of dockerd choose their number and size; the largest makes room. */
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
/** dockerd waits without limit for an answer. */
const DEADLINE_MS = 2000;
const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';

/**
 * The HTTP server of the plugin protocol of Docker. Plain node:http: dockerd sends no Content-Type, without which a
 * framework would leave the body out. Whatever goes wrong with a request, the answer is a refusal, within two seconds.
 */
export function createPluginServer(options: PluginServerOptions): Server {
  const { log } = options;
  const { reserve } = createBodyBudget(MAX_TOTAL_BYTES);
  const server = createServer({ maxHeaderSize: 16 * 1024, requestTimeout: 10_000 }, (request, response) => {
    const refuse = (message: string): void => answer(response, { isAllowed: false, message });
    switch (`${request.method ?? ''} ${request.url ?? ''}`) {
      case 'POST /Plugin.Activate':
        request.resume();
        return reply(response, { Implements: ['authz'] });
      case 'POST /AuthZPlugin.AuthZRes':
        // The request was judged before; a response is shown in parts only, after it was performed.
        request.resume();
        return answer(response, { isAllowed: true, message: '' });
      case 'POST /AuthZPlugin.AuthZReq':
        break;
      default:
        request.resume();
        response.writeHead(404).end();
        return;
    }
    const cancel = options.clock.after(DEADLINE_MS, () => {
      log.warn({ deadlineMs: DEADLINE_MS }, 'a request of dockerd was not read in time and is refused');
      response.once('finish', () => request.destroy());
      refuse('plimsoll: the request was not read in time. Try again.');
    });
    response.once('close', cancel);
    void respond(request, { reserve, refuse, decide: (bytes) => answer(response, decideOn(bytes, options)) }).catch(
      (error: unknown) => {
        log.warn({ error }, 'a request of dockerd could not be read and is refused');
        refuse('plimsoll: the request could not be read. Try again.');
      },
    );
  });
  server.keepAliveTimeout = 60_000;
  return server;
}

function decideOn(bytes: Uint8Array, { decide, log }: PluginServerOptions): PluginAnswer {
  const message = parsePluginMessage(bytes);
  if (!message.ok) {
    log.error({ problem: message.problem }, 'a message of dockerd is not understood; the request is refused');
    return { isAllowed: false, message: 'plimsoll: the message of dockerd is not understood.' };
  }
  try {
    return decide(message.value);
  } catch (error) {
    log.error({ error }, 'internal error, please report it; the request is refused');
    return { isAllowed: false, message: 'plimsoll: internal error; see the log of plimsoll authz.' };
  }
}

interface Responder {
  readonly reserve: BodyBudget['reserve'];
  readonly refuse: (message: string) => void;
  readonly decide: (bytes: Uint8Array) => void;
}

async function respond(request: IncomingMessage, { reserve, refuse, decide }: Responder): Promise<void> {
  // dockerd always says how long its message is; which client it is about stands in the message.
  const bytes = Number(request.headers['content-length'] ?? MAX_MESSAGE_BYTES);
  let problem = bytes > MAX_MESSAGE_BYTES ? TOO_LARGE : undefined;
  const release =
    problem === undefined ? reserve({ network: '', bytes, cut: () => (problem ??= TOO_MANY) }) : undefined;
  if (release === undefined) problem ??= TOO_MANY;
  try {
    const message = await readMessage(request, () => problem);
    if (message.problem === undefined) decide(message.bytes);
    else refuse(`plimsoll: ${message.problem}`);
  } finally {
    release?.();
  }
}

const TOO_LARGE = 'the request is too large.';
const TOO_MANY = 'too many requests at the same time. Try again.';

interface Message {
  readonly bytes: Uint8Array;
  readonly problem?: string;
}

/** Reads a body to its end, also where it is too large to keep: dockerd sends all of it before it reads the answer. */
async function readMessage(request: IncomingMessage, problemNow: () => string | undefined): Promise<Message> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (problemNow() !== undefined || length > MAX_MESSAGE_BYTES) parts = [];
    else parts.push(part);
  }
  const problem = problemNow() ?? (length > MAX_MESSAGE_BYTES ? TOO_LARGE : undefined);
  return problem === undefined ? { bytes: Buffer.concat(parts) } : { bytes: new Uint8Array(0), problem };
}

function answer(response: ServerResponse, { isAllowed, message }: PluginAnswer): void {
  // dockerd refuses for any other status, too, but then reports to its client that something is broken.
  reply(response, { Allow: isAllowed, Msg: message });
}

function reply(response: ServerResponse, body: object): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(JSON.stringify(body));
}
