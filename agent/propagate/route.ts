const MAX_SEGMENTS = 12;

/**
 * `GET /accounts/:id/statement` of a request line: segments that look like an identifier become `:id`, so that the number of routes
 * stays small whatever the framework is. The query is left out.
 */
export function routeOf(method: string, url: string): string {
  let end = url.indexOf('?');
  if (end < 0) end = url.length;
  // An absolute-form request line (a proxy's) has an origin before the path.
  let at = url.startsWith('http') ? url.indexOf('/', url.indexOf('//') + 2) : 0;
  if (at < 0 || at >= end) return `${method} /`;
  let route = `${method} `;
  for (let segments = 0; at < end; segments++) {
    if (segments === MAX_SEGMENTS) return `${route}/…`;
    let next = url.indexOf('/', at + 1);
    if (next < 0 || next > end) next = end;
    route += isIdentifier(url, at + 1, next) ? '/:id' : url.slice(at, next);
    at = next;
  }
  return route;
}

/** A digit among few letters, or more than 24 characters: numbers, UUIDs, hashes, keys. `v1`, `v12` and the like are versions. */
function isIdentifier(url: string, from: number, to: number): boolean {
  const length = to - from;
  if (length > 24) return true;
  let digits = 0;
  for (let i = from; i < to; i++) {
    const code = url.charCodeAt(i);
    if (code >= 48 && code <= 57) digits++;
    else if (code === 37) return true;
  }
  if (digits === 0) return false;
  const isVersion = length <= 3 && url.charCodeAt(from) === 118 && digits === length - 1;
  return !isVersion && (digits * 2 >= length || digits >= 4);
}
