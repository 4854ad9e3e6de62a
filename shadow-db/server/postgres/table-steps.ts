import * as ddl from './ddl.js';
import type { DesiredTable } from './desired.js';
import { indexText, isLoose, sequenceText, wantedSequence } from './drift.js';
import { markOf } from './mark.js';
import { full, literal, quote, sameTable } from './quote.js';
import type { Remake } from './remake.js';
import { type Step, stepper } from './step.js';

/** What rows are kept in: schemas, sequences, tables with their constraints, indexes and partitions. */

export function schemaSteps({ names, situation }: Remake): Step[] {
  return names.shadowSchemas
    .filter((schema) => !situation.model.schemas.some(({ name }) => name === schema))
    .flatMap((schema) => [
      {
        kind: 'schema',
        subject: schema,
        sql: `CREATE SCHEMA ${quote(schema)}`,
        reason: 'the shadow schema does not exist',
      },
      {
        kind: 'schema',
        subject: schema,
        sql: `COMMENT ON SCHEMA ${quote(schema)} IS 'shadowline'`,
        reason: 'marked as made by Shadowline',
      },
    ]);
}

/** Those of identity columns are made with their tables. */
export function sequenceSteps(remake: Remake): Step[] {
  const step = stepper(remake.names);
  return remake.situation.wanted.sequences.flatMap((sequence) => {
    const actual = remake.keptSequence(sequence);
    if (actual !== undefined) {
      if (sequenceText(actual) === wantedSequence(sequence)) return [];
      return [step('sequence', sequence, ddl.alterSequence(sequence), 'its settings have drifted')];
    }
    if (sequence.owner?.kind === 'i') return [];
    const first = remake.firstOf(sequence);
    return [
      step(
        'sequence',
        sequence,
        ddl.createSequence(sequence, first),
        `ids from ${first}: told from real ones, and never in their way`,
      ),
      step(
        'range',
        sequence,
        `COMMENT ON SEQUENCE ${full(sequence.target)} IS ${literal(markOf(first))}`,
        'its range is kept: real ids go on growing',
      ),
    ];
  });
}

export function tableSteps(remake: Remake): Step[] {
  return remake.tables.flatMap((table) => createTable(remake, table));
}

function createTable(remake: Remake, table: DesiredTable): Step[] {
  const { sequences } = remake.situation.wanted;
  const step = stepper(remake.names);
  const firstOf: ddl.FirstIds = (sequence) => remake.firstOf(sequence);
  const identities = table.columns.flatMap((column) => ddl.identityOf(table, column, sequences) ?? []);
  const main = sequences.find(({ users }) => users.some((user) => user.table === table.real));
  return [
    step('table', table, ddl.createTable(table, sequences, firstOf), 'shadow table with its constraints'),
    step(
      'range',
      table,
      `COMMENT ON TABLE ${full(table.target)} IS ${literal(markOf(main && firstOf(main)))}`,
      'marked as a shadow table',
    ),
    ...identities.map((sequence) =>
      step(
        'range',
        table,
        `COMMENT ON SEQUENCE ${full(sequence.target)} IS ${literal(markOf(firstOf(sequence)))}`,
        `ids from ${firstOf(sequence)}: told from real ones, and never in their way`,
      ),
    ),
    ...ddl.refine(table).map((sql) => step('table', table, sql, 'stored as the real one')),
  ];
}

/** Sequences that belong to a column, once there is one. */
export function ownerSteps(remake: Remake): Step[] {
  const step = stepper(remake.names);
  return remake.situation.wanted.sequences.flatMap((sequence) => {
    const sql = ddl.ownSequence(sequence);
    const actual = remake.keptSequence(sequence);
    const isOwned =
      actual?.owner &&
      sequence.owner &&
      sameTable(actual.owner, sequence.owner) &&
      actual.owner.column === sequence.owner.column;
    if (sql === undefined || isOwned) return [];
    return [step('sequence', sequence, sql, 'goes when its column goes')];
  });
}

export function indexSteps(remake: Remake): Step[] {
  return remake.situation.wanted.tables.flatMap((table) => createIndexes(remake, table));
}

function createIndexes(remake: Remake, table: DesiredTable): Step[] {
  const step = stepper(remake.names);
  const kept = remake.kept(table);
  const indexes = table.indexes.filter(
    (index) => !kept?.indexes.some((other) => other.name === index.name && indexText(other) === indexText(index)),
  );
  const statistics = table.statistics.filter(
    (one) => !kept?.statistics.some((other) => other.name === one.name && other.definition === one.definition),
  );
  return [
    ...indexes.map((index) => step('index', table, ddl.createIndex(table, index), 'index as the real one')),
    ...statistics.map((one) => step('index', table, ddl.createStatistics(table, one), 'statistics as of the real one')),
  ];
}

export function partitionSteps(remake: Remake): Step[] {
  const step = stepper(remake.names);
  return remake.situation.wanted.tables.flatMap((table) => {
    const kept = remake.kept(table);
    const sql = ddl.attachPartition(table);
    if (sql === undefined || (kept !== undefined && !isLoose(table.partitionOf, kept))) return [];
    return [step('partition', table, sql, 'joined to the shadow of its partitioned table')];
  });
}
