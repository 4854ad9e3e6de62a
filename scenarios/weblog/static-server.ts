import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { parseAccessLogLine } from '../../orchestrator/recording/access-log.js';

/**
 * A web site that answers every path of an access log as the log says: the status, and a body of the logged size (up to a cap). Environment:
 * PORT, WEBLOG_FILE (gzip), WEBLOG_BODY_CAP (bytes, default 64 KiB).
 */
interface Page {
  status: number;
  bytes: number;
}

const bodyCap = Number(process.env.WEBLOG_BODY_CAP ?? 64 * 1024);
const filler = Buffer.alloc(bodyCap, 'The quick brown fox jumps over the lazy dog. ');

/** One answer for each method and URL of the log. */
async function readPages(file: string): Promise<Map<string, Page>> {
  const pages = new Map<string, Page>();
  const lines = createInterface({ input: createReadStream(file).pipe(createGunzip()).setEncoding('latin1') });
  for await (const line of lines) {
    const parsed = parseAccessLogLine(line);
    if (parsed.kind !== 'request') continue;
    const { method, url, status, response_headers: headers } = parsed.request;
    const key = keyOf(method, url);
    const page = pages.get(key) ?? { status: 0, bytes: 0 };
    pages.set(key, page);
    // 304 and 206 answer a browser's cache or a download that goes on; without their headers the whole page is the answer.
    const whole = status === 304 || status === 206 ? 200 : status;
    if (page.status === 0 || whole === 200) page.status = whole;
    page.bytes = Math.max(page.bytes, Math.min(bodyCap, Number(headers?.[0]?.[1] ?? 0)));
  }
  return pages;
}

function keyOf(method: string, url: string): string {
  return `${method === 'HEAD' ? 'GET' : method} ${url}`;
}

function answer(pages: Map<string, Page>, request: IncomingMessage, response: ServerResponse): void {
  const page = pages.get(keyOf(request.method!, request.url!)) ?? { status: 404, bytes: 0 };
  const headers: Record<string, string> = { 'content-type': 'text/plain', 'content-length': String(page.bytes) };
  if (page.status >= 301 && page.status <= 308) headers.location = '/';
  request.resume();
  response.writeHead(page.status, headers);
  response.end(request.method === 'HEAD' ? undefined : filler.subarray(0, page.bytes));
}

const pages = await readPages(process.env.WEBLOG_FILE!);
const server = createServer((request, response) => answer(pages, request, response));
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
