const ID_SEGMENT = /\/(?:\d+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,})(?=\/|$)/gi;

/**
 * The template of a request: `GET /accounts/:id`. Segments that are numbers, UUIDs or hexadecimal of 16 digits and more become `:id`;
 * query and fragment are left out, as is the origin of an absolute URL.
 */
export function routeOf(method: string, url: string): string {
  return `${method} ${pathOf(url).replace(ID_SEGMENT, '/:id')}`;
}

function pathOf(url: string): string {
  let from = 0;
  if (!url.startsWith('/')) {
    const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(url);
    if (scheme !== null) {
      from = url.slice(scheme[0].length).search(/[/?#]/);
      if (from < 0) return '/';
      from += scheme[0].length;
      if (url[from] !== '/') return '/';
    }
  }
  for (let i = from; i < url.length; i++) {
    const unit = url.charCodeAt(i);
    // ? or #
    if (unit === 63 || unit === 35) return url.slice(from, i);
  }
  return from === 0 ? url : url.slice(from);
}

/** What every route past the cap is called. */
export const OTHER_ROUTES = 'other';

/** `routeOf` with a bound on the number of different answers, so that a scan of random paths cannot fill memory or a report. */
export class RouteTable {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max = 1000) {
    this.#max = max;
  }

  routeOf(method: string, url: string): string {
    return this.cap(routeOf(method, url));
  }

  cap(route: string): string {
    if (this.#known.has(route)) return route;
    if (this.#known.size >= this.#max) return OTHER_ROUTES;
    this.#known.add(route);
    return route;
  }
}
