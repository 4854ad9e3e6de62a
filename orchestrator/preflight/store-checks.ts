import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../scenario/scenario.js';
import type { KafkaStore, MysqlStore } from '../stores/index.js';

export interface Findings {
  problems: string[];
  notes: string[];
}

export interface KafkaFindings extends Findings {
  /** Shadow topics were made: consumers that could not find them try again only now. */
  created: boolean;
}

const TWIN_GROUP_MS = 12_000;
/** Agents try again after up to 30 s; then the group has to form. */
const TWIN_GROUP_OF_NEW_TOPIC_MS = 45_000;

export async function mysqlProblems(stores: readonly MysqlStore[]): Promise<Findings> {
  const all: Findings = { problems: [], notes: [] };
  for (const store of stores) {
    try {
      const { problems, notes } = await store.check();
      all.problems.push(...problems);
      all.notes.push(...notes);
    } catch (error) {
      all.problems.push(
        `store ${store.name}: ${(error as Error).message}. Is the server running, and is its url right?`,
      );
    }
  }
  return all;
}

/** Makes shadow topics that are missing, and sees that every consumer group of a real topic has its shadow twin. */
export async function kafkaProblems(
  kafka: KafkaStore | undefined,
  scenario: Scenario['shadow']['kafka'],
  signal: AbortSignal | undefined,
): Promise<KafkaFindings> {
  const found: KafkaFindings = { problems: [], notes: [], created: false };
  if (kafka === undefined || scenario === undefined) return found;
  try {
    const existing = new Set(await kafka.topics());
    for (const topic of scenario.topics) {
      if (!existing.has(topic)) {
        found.problems.push(`topic ${topic} does not exist. Correct shadow.kafka.topics.`);
        continue;
      }
      const shadow = `${topic}${scenario.suffix}`;
      const partitions = await kafka.partitions(topic);
      if (!existing.has(shadow)) {
        await kafka.createTopic(shadow, partitions);
        found.created = true;
        found.notes.push(`topic ${shadow} was created with ${partitions} partitions`);
      } else if ((await kafka.partitions(shadow)) !== partitions) {
        found.notes.push(
          `topic ${shadow} has another number of partitions than ${topic}: consumers balance differently`,
        );
      }
    }
    if (found.problems.length === 0) await twinGroups(kafka, scenario, signal, found);
  } catch (error) {
    found.problems.push(`Kafka at ${scenario.brokers.join(', ')}: ${(error as Error).message}. Is it running?`);
  }
  return found;
}

/** A consumer without the agent would never see the shadow messages of its topic: what it does is left out, or fails where it matters. */
async function twinGroups(
  kafka: KafkaStore,
  scenario: NonNullable<Scenario['shadow']['kafka']>,
  signal: AbortSignal | undefined,
  found: KafkaFindings,
): Promise<void> {
  const shadowOf = (topic: string) => `${topic}${scenario.suffix}`;
  const untilMs = Date.now() + (found.created ? TWIN_GROUP_OF_NEW_TOPIC_MS : TWIN_GROUP_MS);
  for (;;) {
    const groups = await kafka.groupsOn([...scenario.topics, ...scenario.topics.map(shadowOf)]);
    const onReal = groups.filter((group) => group.topics.some((topic) => scenario.topics.includes(topic)));
    const missing = onReal
      .filter((group) => group.members > 0)
      .flatMap((group) =>
        group.topics
          .filter((topic) => scenario.topics.includes(topic))
          .filter((topic) => {
            const twin = groups.find((one) => one.groupId === `${group.groupId}${scenario.suffix}`);
            return twin === undefined || twin.members === 0 || !twin.topics.includes(shadowOf(topic));
          })
          .map((topic) => ({ group: group.groupId, topic })),
      );
    if (missing.length === 0 || Date.now() >= untilMs || signal?.aborted) {
      for (const { group, topic } of missing) {
        found.problems.push(
          `consumer group ${group} reads ${topic}, and no group ${group}${scenario.suffix} reads ${shadowOf(topic)}: its consumers run without the agent, or started before the shadow topic was there. Start them (again) with the agent.`,
        );
      }
      const idle = onReal.filter((group) => group.members === 0).map((group) => group.groupId);
      found.notes.push(
        `consumer groups on ${scenario.topics.join(', ')}: ${onReal.map((group) => `${group.groupId} (${group.members})`).join(', ') || 'none'}${idle.length > 0 ? `; without members now: ${idle.join(', ')}` : ''}`,
      );
      return;
    }
    await sleep(500);
  }
}
