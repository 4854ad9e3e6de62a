import { pathToFileURL } from 'node:url';
import type { RecordedRequest } from '../../../recording/recording.js';
import { EngineError } from '../../errors.js';
import type { OutgoingRequest } from '../request.js';
import type { Transform } from './transform.js';

/** What a user's module gets beside the request. */
export interface ModuleContext {
  runId: string;
  session: string;
  /** 0 for the session as recorded. */
  clone: number;
  seq: number;
  recorded: RecordedRequest;
}

/** Returns the request to send: the one it was given, changed or not, or another. */
export type ModuleFunction = (
  request: OutgoingRequest,
  context: ModuleContext,
) => OutgoingRequest | Promise<OutgoingRequest>;

/** @throws EngineError when the module cannot be loaded or has no function as its default export. */
export async function moduleTransform(path: string): Promise<Transform> {
  const module = (await import(pathToFileURL(path).href).catch((cause: unknown) => {
    throw new EngineError('ENGINE_TRANSFORM', `the transform ${path} cannot be loaded: ${String(cause)}`, { cause });
  })) as { default?: unknown };
  if (typeof module.default !== 'function') {
    throw new EngineError(
      'ENGINE_TRANSFORM',
      `the transform ${path} has no function as its default export: export default (request, context) => request`,
    );
  }
  const change = module.default as ModuleFunction;
  return {
    apply(request, { record, session, runId }) {
      const changed = change(request, {
        runId,
        session: session.id,
        clone: session.clone,
        seq: record.seq,
        recorded: record,
      });
      if (changed instanceof Promise) return changed.then((result) => take(request, result, path));
      return take(request, changed, path);
    },
  };
}

function take(request: OutgoingRequest, changed: OutgoingRequest | undefined, path: string): void {
  if (typeof changed?.method !== 'string' || typeof changed.url !== 'string' || !Array.isArray(changed.headers)) {
    throw new TypeError(`the transform ${path} returned no request: it must return { method, url, headers, body }`);
  }
  if (changed !== request) Object.assign(request, { body: undefined }, changed);
  if (typeof request.body === 'string') request.body = Buffer.from(request.body);
}
