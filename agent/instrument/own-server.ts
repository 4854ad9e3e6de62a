/** Servers of the agent itself: their requests are nobody's traffic. */
const own = new WeakSet<object>();

export function markOwnServer(server: object): void {
  own.add(server);
}

export function isOwnServer(server: object): boolean {
  return own.has(server);
}
