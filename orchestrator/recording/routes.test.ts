import { describe, expect, it } from '@jest/globals';
import { OTHER_ROUTES, RouteTable, routeOf } from './routes.js';

describe('routeOf', () => {
  it.each([
    ['GET', '/accounts/42', 'GET /accounts/:id'],
    ['GET', '/accounts/42/transfers/7?limit=5', 'GET /accounts/:id/transfers/:id'],
    ['POST', '/transfers', 'POST /transfers'],
    ['GET', '/', 'GET /'],
    ['GET', '/?a=/1', 'GET /'],
    ['GET', '/a#/9', 'GET /a'],
    ['GET', '/orders/3f2504e0-4f89-11d3-9a0c-0305e82c3301/lines', 'GET /orders/:id/lines'],
    ['GET', '/blobs/0123456789ABCDEF', 'GET /blobs/:id'],
    // 15 hexadecimal digits may be a word.
    ['GET', '/blobs/0123456789abcde', 'GET /blobs/0123456789abcde'],
    ['GET', '/v2/cats', 'GET /v2/cats'],
    ['GET', '/1/2/3', 'GET /:id/:id/:id'],
    ['GET', '/1/', 'GET /:id/'],
    ['GET', 'http://shop.example:8080/items/5?x=1', 'GET /items/:id'],
    ['GET', 'http://shop.example', 'GET /'],
    ['OPTIONS', '*', 'OPTIONS *'],
  ])('%s %s is %s', (method, url, route) => {
    expect(routeOf(method, url)).toBe(route);
  });
});

describe('RouteTable', () => {
  it('calls every route past the cap other, and keeps those it knows', () => {
    const table = new RouteTable(2);
    expect(['/a', '/b', '/c', '/a', '/d'].map((url) => table.routeOf('GET', url))).toEqual([
      'GET /a',
      'GET /b',
      OTHER_ROUTES,
      'GET /a',
      OTHER_ROUTES,
    ]);
  });
});
