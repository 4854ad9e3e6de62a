/** `GET /accounts/:id`: numbers, UUIDs and long hexadecimal segments become `:id`. */
export function routeOf(method: string, url: string): string {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  return `${method} ${path.replace(/\/(\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,})(?=\/|$)/gi, '/:id')}`;
}
