import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { type Answer, MAX_BODY_BYTES } from './sender.js';
import type { LiveResponse } from './transforms/transform.js';

/** An answer as transforms read it. A body that cannot be decompressed (it was cut, or lies about its encoding) is empty. */
export function liveResponse(answer: Answer): LiveResponse {
  const headers = () => {
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < answer.headers.length; i += 2) {
      pairs.push([answer.headers[i]!.toString('latin1'), answer.headers[i + 1]!.toString('latin1')]);
    }
    return pairs;
  };
  const header = (name: string) => headers().find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
  return { status: answer.status, header, headers, body: decoded(answer.body, header('content-encoding')) };
}

function decoded(body: Buffer | undefined, encoding: string | undefined): string {
  if (body === undefined) return '';
  try {
    const limit = { maxOutputLength: MAX_BODY_BYTES * 4 };
    if (encoding === 'gzip' || encoding === 'x-gzip') return gunzipSync(body, limit).toString('utf8');
    if (encoding === 'deflate') return inflateSync(body, limit).toString('utf8');
    if (encoding === 'br') return brotliDecompressSync(body, limit).toString('utf8');
    return body.toString('utf8');
  } catch {
    return '';
  }
}
