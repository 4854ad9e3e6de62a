import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Mapping, type MappingOptions, type TableClass } from './mapping.js';
import { isShadowName, nameLimits, shadowName } from './names.js';

const base: MappingOptions = { mode: 'table', database: 'app', tables: {} };
const mapping = (tables: MappingOptions['tables'], more: Partial<MappingOptions> = {}) =>
  new Mapping({ ...base, ...more, tables });

describe('which class a table has', () => {
  it.each<[MappingOptions['tables'], string, string, TableClass | undefined]>([
    [{ orders: 'shadow' }, 'app', 'orders', 'shadow'],
    [{ orders: 'shadow' }, 'crm', 'orders', undefined],
    [{ orders: 'shadow' }, 'app', 'Orders', undefined],
    [{ 'app.orders': 'shadow' }, 'app', 'orders', 'shadow'],
    [{ 'crm.people': 'shadow' }, 'crm', 'people', 'shadow'],
    [{ 'crm.people': 'real-read' }, 'app', 'people', undefined],
    // patterns: `*` is any text, also none
    [{ 'order_*': 'shadow' }, 'app', 'order_', 'shadow'],
    [{ 'order_*': 'shadow' }, 'app', 'order', undefined],
    [{ '*': 'refuse' }, 'app', 'anything', 'refuse'],
    [{ '*': 'refuse' }, 'crm', 'anything', undefined],
    [{ 'crm.*': 'real-read' }, 'crm', 'anything', 'real-read'],
    [{ 'a*b*c': 'shadow' }, 'app', 'abc', 'shadow'],
    [{ 'a*b*c': 'shadow' }, 'app', 'a-b-b-c', 'shadow'],
    [{ 'a*b*c': 'shadow' }, 'app', 'acbc', 'shadow'],
    [{ 'a*bc*c': 'shadow' }, 'app', 'abc', undefined],
    [{ 'ab*ba': 'shadow' }, 'app', 'aba', undefined],
    // a pattern never takes a shadow table for a real one
    [{ 'order_*': 'shadow' }, 'app', 'order_1_shadow', undefined],
    [{ '*': 'real-read' }, 'app', 'x_SHADOW', undefined],
    // ranges: the same digits
    [{ 'order_00..order_63': 'shadow' }, 'app', 'order_00', 'shadow'],
    [{ 'order_00..order_63': 'shadow' }, 'app', 'order_63', 'shadow'],
    [{ 'order_00..order_63': 'shadow' }, 'app', 'order_64', undefined],
    [{ 'order_00..order_63': 'shadow' }, 'app', 'order_7', undefined],
    [{ 'order_00..order_63': 'shadow' }, 'app', 'order_0a', undefined],
    [{ 'crm.p1_x..p9_x': 'shadow' }, 'crm', 'p5_x', 'shadow'],
    [{ 'crm.p1..crm.p9': 'shadow' }, 'crm', 'p5', 'shadow'],
    // a name beats a range beats a pattern; a longer prefix beats a shorter one
    [{ order_07: 'refuse', 'order_00..order_63': 'shadow', 'order_*': 'real-read' }, 'app', 'order_07', 'refuse'],
    [{ order_07: 'refuse', 'order_00..order_63': 'shadow', 'order_*': 'real-read' }, 'app', 'order_08', 'shadow'],
    [{ order_07: 'refuse', 'order_00..order_63': 'shadow', 'order_*': 'real-read' }, 'app', 'order_64', 'real-read'],
    [{ '*': 'refuse', 'o*': 'real-read', 'ord*': 'shadow' }, 'app', 'orders', 'shadow'],
    [{ '*': 'refuse', 'o*': 'real-read', 'ord*': 'shadow' }, 'app', 'other', 'real-read'],
    [{ '*': 'refuse', 'o*': 'real-read', 'ord*': 'shadow' }, 'app', 'x', 'refuse'],
  ])('%j: %s.%s → %s', (tables, schema, table, expected) => {
    expect(mapping(tables).classOf(schema, table)).toBe(expected);
  });

  it('ignores case where the server does', () => {
    const folded = mapping({ Orders: 'shadow', 'CRM.P*': 'real-read' }, { ignoreCase: true });
    expect(folded.classOf('APP', 'ORDERS')).toBe('shadow');
    expect(folded.targetOf('APP', 'ORDERS')).toEqual({ schema: 'app', table: 'orders_shadow' });
    expect(folded.classOf('crm', 'people')).toBe('real-read');
  });
});

describe('where a table goes', () => {
  const tables = { orders: 'shadow', 'crm.people': 'shadow', 'ref.zips': 'real-read' } as const;
  it.each<[Partial<MappingOptions>, string, string, string]>([
    [{}, 'app', 'orders', 'app.orders_shadow'],
    [{}, 'crm', 'people', 'crm.people_shadow'],
    [{}, 'ref', 'zips', 'ref.zips'],
    [{ suffix: '_s' }, 'app', 'orders', 'app.orders_s'],
    [{ mode: 'schema' }, 'app', 'orders', 'app_shadow.orders'],
    [{ mode: 'schema' }, 'crm', 'people', 'crm_shadow.people'],
    [{ mode: 'schema', schema: 'twin', schemas: { crm: 'twin2' } }, 'app', 'orders', 'twin.orders'],
    [{ mode: 'schema', schema: 'twin', schemas: { crm: 'twin2' } }, 'crm', 'people', 'twin2.people'],
    [{ mode: 'schema' }, 'ref', 'zips', 'ref.zips'],
    [{ mode: 'instance' }, 'crm', 'people', 'crm.people'],
  ])('%j: %s.%s → %s', (more, schema, table, expected) => {
    const target = mapping(tables, more).targetOf(schema, table);
    expect(`${target.schema}.${target.table}`).toBe(expected);
  });

  it('lists the databases, the own one first', () => {
    expect(mapping(tables).databases).toEqual(['app', 'crm', 'ref']);
    expect(mapping({ 'crm.order_00..order_09': 'shadow', 'order_00..order_09': 'shadow' }).databases).toEqual([
      'app',
      'crm',
    ]);
  });

  it('knows the names that traffic may never write', () => {
    expect(mapping(tables).isShadowName('app', 'any_Shadow')).toBe(true);
    expect(mapping(tables).isShadowName('app', 'orders')).toBe(false);
    const schema = mapping(tables, { mode: 'schema' });
    expect(schema.isShadowName('CRM_shadow', 'people')).toBe(true);
    expect(schema.isShadowName('ref_shadow', 'zips')).toBe(false);
    expect(schema.isShadowName('app', 'any_shadow')).toBe(false);
  });

  it('tells a shadow table from a column that ends alike', () => {
    const wide = mapping({ orders: 'shadow', 'crm.p*': 'shadow', zips: 'real-read' });
    const long = shadowName('x'.repeat(64), '_shadow');
    for (const name of ['orders_shadow', 'Orders_SHADOW', 'people_shadow', long])
      expect(wide.mayBeShadowTable(name)).toBe(true);
    for (const name of ['drop_shadow', 'zips_shadow', 'orders']) expect(wide.mayBeShadowTable(name)).toBe(false);
  });

  it('expands patterns against the tables that exist', () => {
    const wide = mapping({ 'order_*': 'shadow', order_x: 'refuse' });
    const existing = ['order_1', 'order_1_shadow', 'order_x', 'other', 'order_2'];
    expect(wide.tablesOf('app', existing, 'shadow')).toEqual(['order_1', 'order_2']);
    expect(wide.tablesOf('app', existing, 'refuse')).toEqual(['order_x']);
    expect(wide.tablesOf('crm', existing, 'shadow')).toEqual([]);
  });
});

describe('configurations that cannot work', () => {
  const both = { orders: 'shadow', 'crm.people': 'shadow' } as const;
  it.each<[string, MappingOptions['tables'], Partial<MappingOptions>, RegExp]>([
    ['unknown class', { a: 'mirror' as 'shadow' }, {}, /"a": unknown class "mirror"/],
    ['suffix', { a_shadow: 'real-read' }, {}, /"a_shadow" ends with the shadow suffix/],
    ['suffix of a range', { 'a_shadow1..a_shadow2': 'shadow' }, { suffix: '_shadow2' }, /ends with the shadow suffix/],
    ['suffix of a pattern', { '*_shadow': 'shadow' }, {}, /pattern "\*_shadow"/],
    ['two classes', { 'app.a': 'shadow', a: 'refuse' }, {}, /"app\.a" \(shadow\) and "a" \(refuse\)/],
    ['two patterns', { 'a*': 'shadow', 'a*b': 'refuse' }, {}, /"a\*" \(shadow\) and "a\*b" \(refuse\)/],
    ['two ranges', { 'a1..a5': 'shadow', 'a5..a9': 'refuse' }, {}, /"a1\.\.a5" \(shadow\) and "a5\.\.a9" \(refuse\)/],
    ['case', { Orders: 'shadow', orders: 'shadow' }, { ignoreCase: true }, /"Orders" and "orders" differ in case only/],
    ['range without digits', { 'a..b': 'shadow' }, {}, /must hold a number/],
    ['range of other digits', { 'a1..a10': 'shadow' }, {}, /equally many/],
    ['range backwards', { 'a5..a1': 'shadow' }, {}, /backwards/],
    ['range of two schemas', { 'x.a1..y.a2': 'shadow' }, {}, /one schema/],
    ['range of three', { 'a1..a2..a3': 'shadow' }, {}, /one "\.\."/],
    ['pattern for a schema', { '*.a': 'shadow' }, {}, /not for a schema/],
    ['empty name', { 'crm.': 'shadow' }, {}, /empty/],
    ['own schema', both, { mode: 'schema', schema: 'App' }, /"App" is the real one: "app"/],
    ['schema of another', both, { mode: 'schema', schemas: { crm: 'app' } }, /"app" is the real one/],
    [
      'one schema for two',
      both,
      { mode: 'schema', schema: 'twin', schemas: { crm: 'TWIN' } },
      /"app" and "crm" would share the shadow schema "TWIN"/,
    ],
    ['schema of nothing', both, { mode: 'schema', schemas: { x: 'y' } }, /schemas\."x"/],
    ['database with the suffix', both, { mode: 'schema', database: 'app_shadow' }, /"app_shadow" ends with/],
    ['suffix', both, { suffix: '-x' }, /must be 2 to 24/],
  ])('%s', (_, tables, more, message) => {
    expect(() => mapping(tables, more)).toThrow(message);
  });
});

describe('names', () => {
  it.each(Object.entries(nameLimits))('fit the limit of %s, differ and are known as such', (_, limit) => {
    const identifier = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '語', '_', '1'), minLength: 1, maxLength: 64 });
    const size = (name: string) => (limit.lengthIn === 'bytes' ? Buffer.byteLength(name) : [...name].length);
    fc.assert(
      fc.property(identifier, identifier, (one, two) => {
        const shadow = shadowName(one, '_shadow', limit);
        expect(size(shadow)).toBeLessThanOrEqual(limit.maxNameLength);
        expect(isShadowName(shadow, '_shadow')).toBe(true);
        expect(shadowName(two, '_shadow', limit) === shadow).toBe(one === two);
        expect(() => shadowName(shadow, '_shadow', limit)).toThrow(/already/);
        const own = new Mapping({ ...base, ...limit, tables: { [one]: 'shadow' } });
        expect(own.mayBeShadowTable(shadow)).toBe(true);
      }),
    );
  });
});
