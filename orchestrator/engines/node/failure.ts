import type { Answer } from './sender.js';

export interface Failure {
  code: string;
  /** Up to 200 characters of the body or the message. */
  example: string;
}

/**
 * A network error, a timeout, a status of 500 or above, or a refusal (4xx) of what the recording shows as let in. A 404 that was a 404 when it was
 * recorded is no failure.
 */
export function failureOf(answer: Answer, recordedStatus: number): Failure | undefined {
  if (answer.error !== undefined) return { code: answer.error, example: answer.message.slice(0, 200) };
  const { status } = answer;
  if (status < 400 || (status < 500 && recordedStatus >= 400)) return undefined;
  const text = answer.body?.toString('utf8', 0, 4096) ?? '';
  return { code: problemCode(text) ?? `http-${status}`, example: text.slice(0, 200) };
}

/** The `code` of an RFC 9457 problem document, as agents refuse with. */
function problemCode(text: string): string | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === 'string' && /^[\w.-]{1,64}$/.test(code) ? code : undefined;
  } catch {
    return undefined;
  }
}
