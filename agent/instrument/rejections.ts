import { isRefusal } from '../redirect/issue.js';

type Emit = (this: NodeJS.Process, event: string, ...args: unknown[]) => boolean;

/**
 * A rejected promise that nobody waits for ends the process, and real requests with it. Ordinary work may do without an answer for years, and only its
 * shadow twin is refused: a refusal is counted and reported, so neither Node nor a listener of the service's hears of it here. All other rejections go
 * their way.
 */
export function wrapRejections(): () => void {
  const holder = process as unknown as { emit?: Emit };
  const isOwn = Object.hasOwn(holder, 'emit');
  const original = holder.emit!;
  const wrapped: Emit = function emit(event, ...args) {
    if (event === 'unhandledRejection' && isRefused(args[0])) return true;
    return Reflect.apply(original, this, [event, ...args]) as boolean;
  };
  holder.emit = wrapped;
  return () => {
    if (holder.emit !== wrapped) return;
    if (isOwn) holder.emit = original;
    else delete holder.emit;
  };
}

/** `fetch` has the refusal as the cause of its own error. */
function isRefused(reason: unknown): boolean {
  return isRefusal(reason) || (reason instanceof Error && isRefusal(reason.cause));
}
