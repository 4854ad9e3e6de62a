import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { cached, checkDigest, mavenCopy, onPath, runProgram, type Say, sha256OfFolder } from './cache.js';
import { freePort, startLeashed, untilReady } from './leash.js';
import type { RunningServer } from './mariadb.js';

const VERSION = '4.1.1';
/** Over the names and digests of its 45 jars. */
const JARS_SHA256 = '24c9b6d728ac0380b3b7a598926c9feec7afd78a0b8bdd871b64e512780dd649';

/** Kafka's jars, once into the user's cache folder. Returns the folder. */
export async function embeddedKafka(say: Say): Promise<string> {
  const dir = await cached(`kafka-${VERSION}`, say, async (target) => {
    say(`fetching Kafka ${VERSION} (43 MB, once) through Maven`);
    await mavenCopy(`org.apache.kafka:kafka_2.13:${VERSION}`, target, say);
    checkDigest(`Kafka ${VERSION}`, await sha256OfFolder(join(target, 'jars')), JARS_SHA256);
  });
  return join(dir, 'jars');
}

/** Starts one process that is broker and controller (KRaft), with an empty log folder under `dir`. Topics are not created by use. */
export async function startKafka(jars: string, dir: string): Promise<RunningServer> {
  const java = await onPath('java');
  if (java === undefined) throw new Error('java is not on PATH (Kafka needs a Java runtime, version 17 or newer)');
  const home = join(dir, 'kafka');
  const logFile = join(dir, 'kafka.log');
  await mkdir(home, { recursive: true });
  const classPath = join(jars, '*');
  for (let attempt = 1; ; attempt++) {
    const [port, controllerPort] = [await freePort(), await freePort()];
    const properties = join(home, `server-${attempt}.properties`);
    await writeFile(
      properties,
      [
        'process.roles=broker,controller',
        'node.id=1',
        `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
        `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
        `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
        'controller.listener.names=CONTROLLER',
        'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
        `log.dirs=${join(home, `data-${attempt}`)}`,
        'num.partitions=2',
        'auto.create.topics.enable=false',
        'offsets.topic.replication.factor=1',
        'offsets.topic.num.partitions=4',
        'transaction.state.log.replication.factor=1',
        'transaction.state.log.min.isr=1',
        'transaction.state.log.num.partitions=4',
        'share.coordinator.state.topic.replication.factor=1',
        'share.coordinator.state.topic.min.isr=1',
        'group.initial.rebalance.delay.ms=0',
        'log.retention.hours=1',
        '',
      ].join('\n'),
    );
    const javaArgs = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath];
    const clusterId = 'c2hhZG93bGluZS1kZW1vMQ';
    await runProgram(java, [...javaArgs, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties]);
    const server = startLeashed({ command: java, args: [...javaArgs, 'kafka.Kafka', properties], cwd: home, logFile });
    const broker = `127.0.0.1:${port}`;
    try {
      await untilReady('Kafka', server, logFile, () => answers(broker));
      return { url: broker, pid: server.pid, logFile, stop: () => server.stop() };
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

/** A port that accepts is not yet a broker that has registered with its controller. */
async function answers(broker: string): Promise<boolean> {
  const kafka = new Kafka({
    clientId: 'shadowline-ready',
    brokers: [broker],
    connectionTimeout: 1000,
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length > 0;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
