import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Edge } from '../../orchestrator/result/schema.js';
import { exampleResult } from '../fixtures/example-result.js';
import { graphOf } from './topology-graph.js';
import { layOut, NODE } from './topology-layout.js';

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const edge = (from: string, to: string): Edge => ({
  from,
  to,
  protocol: 'http',
  target: '',
  calls: 1,
  callsPerEntryRequest: 1,
  errors: 0,
  p50Us: 1,
  p95Us: 2,
  p99Us: 3,
});

describe('topology', () => {
  it('puts callers above what they call, and nodes beside each other, in any graph', () => {
    const edges = fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)), { maxLength: 20 });
    fc.assert(
      fc.property(edges, (pairs) => {
        const graph = graphOf({ services: [], edges: pairs.map(([from, to]) => edge(from, to)) });
        const { nodes, links, width, height } = layOut(graph);
        const at = new Map(nodes.map((placed) => [placed.node.key, placed]));
        expect(at.size).toBe(graph.nodes.length);
        for (const { link, backwards, points } of links) {
          if (!backwards) expect(at.get(link.from)!.y).toBeLessThan(at.get(link.to)!.y);
          for (const { x, y } of points) expect(Number.isFinite(x) && Number.isFinite(y)).toBe(true);
        }
        for (const one of nodes) {
          expect(one.x).toBeGreaterThanOrEqual(NODE.width / 2);
          expect(one.x).toBeLessThanOrEqual(width - NODE.width / 2);
          expect(one.y).toBeLessThanOrEqual(height - NODE.height / 2);
          for (const other of nodes) {
            if (one === other || one.y !== other.y) continue;
            expect(Math.abs(one.x - other.x)).toBeGreaterThanOrEqual(NODE.width);
          }
        }
      }),
    );
  });

  it('merges tables of one database and keeps topics apart', () => {
    const graph = graphOf(exampleResult().topology);
    expect(graph.nodes.filter((node) => node.kind === 'mysql')).toHaveLength(1);
    const toMysql = graph.links.find((link) => link.from === 'payment' && link.to === 'mysql')!;
    expect(toMysql.callsPerEntryRequest).toBeCloseTo(1.38);
    expect(toMysql.p99Us).toBe(44_000);
    expect(graph.nodes.find((node) => node.kind === 'kafka')!.name).toBe('transfer.created');
  });

  it('leaves out the least called links of a picture that nobody could read', () => {
    const edges = Array.from({ length: 100 }, (_, i) => ({ ...edge('a', `s${i}`), callsPerEntryRequest: i }));
    const graph = graphOf({ services: [], edges });
    expect(graph.links).toHaveLength(40);
    expect(graph.omittedLinks).toBe(60);
    expect(graph.nodes).toHaveLength(41);
  });
});
