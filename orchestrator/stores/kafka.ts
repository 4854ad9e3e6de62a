import { randomUUID } from 'node:crypto';
import { type Admin, AssignerProtocol, Kafka, type KafkaMessage, logLevel } from 'kafkajs';

/** Next offset to be written, by partition. */
export type Offsets = Map<number, bigint>;

export interface ConsumerGroup {
  groupId: string;
  /** Members now; 0 for a group that only has committed offsets. */
  members: number;
  /** Of the topics asked for. */
  topics: string[];
}

/** What a scan of a topic found. */
export interface TopicScan {
  scanned: number;
  /** False when there were more messages than the limit. */
  complete: boolean;
  found: { kind: 'canary' | 'shadow-flag'; sample: string }[];
}

/** The toolkit's own Kafka needs, apart from the library that serves them. Errors are kafkajs's, with the brokers' addresses. */
export interface KafkaStore {
  topics(): Promise<string[]>;
  partitions(topic: string): Promise<number>;
  createTopic(topic: string, partitions: number): Promise<void>;
  ends(topic: string): Promise<Offsets>;
  groupsOn(topics: readonly string[]): Promise<ConsumerGroup[]>;
  /** Messages that a group has not processed yet. */
  lag(groupId: string, topic: string): Promise<number>;
  /** Reads a topic from given offsets up to its present end and looks for the canary and for flags. */
  scan(
    topic: string,
    from: Offsets,
    marks: { canary: string; headers: readonly string[] },
    limit: number,
  ): Promise<TopicScan>;
  close(): Promise<void>;
}

export const AUDIT_GROUP = 'shadowline-audit-';

export async function openKafka(brokers: string[]): Promise<KafkaStore> {
  const kafka = new Kafka({
    clientId: 'shadowline',
    brokers,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    retry: { retries: 3, initialRetryTime: 200, maxRetryTime: 1500 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
  } catch (error) {
    throw new Error(`Kafka at ${brokers.join(', ')} does not answer: ${(error as Error).message}`, { cause: error });
  }
  return {
    topics: () => admin.listTopics(),
    async partitions(topic) {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions.length ?? 0;
    },
    async createTopic(topic, partitions) {
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions }] });
    },
    ends: (topic) => ends(admin, topic),
    groupsOn: (topics) => groupsOn(admin, topics),
    async lag(groupId, topic) {
      const [committed, end] = await Promise.all([
        admin.fetchOffsets({ groupId, topics: [topic] }),
        ends(admin, topic),
      ]);
      let lag = 0;
      for (const { partition, offset } of committed[0]?.partitions ?? []) {
        const at = BigInt(offset);
        // −1: nothing committed yet; what is there from the beginning is still to be done.
        const done = at < 0n ? 0n : at;
        lag += Number((end.get(partition) ?? 0n) - done);
      }
      return Math.max(0, lag);
    },
    scan: (topic, from, marks, limit) => scan(kafka, admin, topic, from, marks, limit),
    close: () => admin.disconnect(),
  };
}

async function ends(admin: Admin, topic: string): Promise<Offsets> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return new Map(offsets.map(({ partition, high }) => [partition, BigInt(high)]));
}

async function groupsOn(admin: Admin, topics: readonly string[]): Promise<ConsumerGroup[]> {
  const wanted = new Set(topics);
  const { groups } = await admin.listGroups();
  const ids = groups.filter(({ groupId }) => !groupId.startsWith(AUDIT_GROUP)).map(({ groupId }) => groupId);
  const found: ConsumerGroup[] = [];
  for (let at = 0; at < ids.length; at += 50) {
    const described = await admin.describeGroups(ids.slice(at, at + 50));
    for (const { groupId, members } of described.groups) {
      const touched = new Set<string>();
      for (const { memberMetadata } of members) {
        for (const topic of AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? []) {
          if (wanted.has(topic)) touched.add(topic);
        }
      }
      const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
      for (const { topic, partitions } of committed) {
        if (partitions.some(({ offset }) => offset !== '-1')) touched.add(topic);
      }
      if (touched.size > 0) found.push({ groupId, members: members.length, topics: [...touched].sort() });
    }
  }
  return found.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
}

/** A reader of its own group, which commits nothing and is deleted afterwards. */
async function scan(
  kafka: Kafka,
  admin: Admin,
  topic: string,
  from: Offsets,
  marks: { canary: string; headers: readonly string[] },
  limit: number,
): Promise<TopicScan> {
  const result: TopicScan = { scanned: 0, complete: true, found: [] };
  const end = await ends(admin, topic);
  const open = new Map([...end].filter(([partition, to]) => to > (from.get(partition) ?? 0n)));
  if (open.size === 0) return result;
  const groupId = `${AUDIT_GROUP}${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 200 });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        result.complete = false;
        resolve();
      }, 30_000);
      const finish = () => {
        clearTimeout(timer);
        resolve();
      };
      consumer.on('consumer.crash', ({ payload }) => {
        clearTimeout(timer);
        reject(payload.error);
      });
      const closeIfRead = (partition: number, next: bigint) => {
        const to = open.get(partition);
        if (to !== undefined && next >= to) open.delete(partition);
        if (open.size === 0) finish();
      };
      void consumer
        .run({
          autoCommit: false,
          // Transaction markers and compaction take offsets without a message: the batch's own end counts.
          eachBatch: async ({ batch }) => {
            for (const message of batch.messages) {
              if (BigInt(message.offset) < (from.get(batch.partition) ?? 0n)) continue;
              if (BigInt(message.offset) >= (end.get(batch.partition) ?? 0n)) break;
              if (result.scanned >= limit) {
                result.complete = false;
                finish();
                return;
              }
              result.scanned++;
              const kind = kindOf(message, marks);
              if (kind !== undefined) {
                const text = message.value?.toString('utf8') ?? '';
                result.found.push({ kind, sample: `${batch.partition}/${message.offset} ${text}`.slice(0, 200) });
              }
            }
            closeIfRead(batch.partition, BigInt(batch.lastOffset()) + 1n);
          },
        })
        .then(() => {
          for (const [partition] of open) {
            consumer.seek({ topic, partition, offset: String(from.get(partition) ?? 0n) });
          }
        }, reject);
    });
  } finally {
    await consumer.disconnect().catch(() => undefined);
    await admin.deleteGroups([groupId]).catch(() => undefined);
  }
  return result;
}

function kindOf(
  message: KafkaMessage,
  marks: { canary: string; headers: readonly string[] },
): 'canary' | 'shadow-flag' | undefined {
  if (marks.headers.some((name) => message.headers?.[name] !== undefined)) return 'shadow-flag';
  if (message.value?.includes(marks.canary) || message.key?.includes(marks.canary)) return 'canary';
  return undefined;
}
