import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../service/log.ts';
import { loadConsoleFiles } from './console-files.ts';
import type { ConsoleFile, ConsoleFiles } from './console-files.ts';
import { chooseEncoding, packed } from './content-encoding.ts';

/**
 * What the page may do: its own scripts, styles, images and requests, and nothing else. `trusted-types 'none'`: no text
 * becomes markup or script, whoever wrote it.
 */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const PAGE_HEADERS = Object.freeze({
  'content-security-policy': PAGE_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
  vary: 'accept-encoding',
});

/** The names of assets change with their content. */
const FOR_EVER = 'public, max-age=31536000, immutable';

const ABSENT = `This collector has no console: its files were not built.

From the sources: npm run setup, then start the collector again.
The operator API is described at /openapi.json, and the commands by: plimsoll help
`;

/** A file with what it takes to send it. */
type Sender = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/**
 * Serves the console at `/` and `/assets/…` from memory: the path only names an entry of a list that was
 * read at the start. Without files `/` says how to get them.
 */
export async function addConsole(server: FastifyInstance, directory: string | undefined, log: Logger): Promise<void> {
  const files = await load(directory, log);
  const method = ['GET', 'HEAD'];
  if (files === undefined) {
    server.route({
      method,
      url: '/',
      handler: (_request, reply) => reply.type('text/plain; charset=utf-8').send(ABSENT),
    });
    return;
  }
  const page = sender(files.page, 'no-store');
  const assets = new Map([...files.assets].map(([name, file]) => [name, sender(file, FOR_EVER)]));
  server.route({ method, url: '/', handler: page });
  server.route<{ Params: { readonly name: string } }>({
    method,
    url: '/assets/:name',
    handler: (request, reply) => {
      const asset = assets.get(request.params.name);
      return asset === undefined ? reply.callNotFound() : asset(request, reply);
    },
  });
}

/** Undefined without a console; a console that exists and cannot be used is logged. */
async function load(directory: string | undefined, log: Logger): Promise<ConsoleFiles | undefined> {
  if (directory === undefined) return undefined;
  try {
    return await loadConsoleFiles(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ err: error, directory }, 'the console cannot be served');
    return undefined;
  }
}

function sender({ type, bytes }: ConsoleFile, cacheControl: string): Sender {
  const content = packed(bytes, type);
  return async (request, reply) => {
    const { encoding, bytes: body } = await content.as(chooseEncoding(request.headers['accept-encoding']));
    reply.headers(PAGE_HEADERS).header('cache-control', cacheControl).type(type);
    if (encoding !== 'identity') reply.header('content-encoding', encoding);
    return reply.send(body);
  };
}
