// Jest's global set-up of the integration tests: real servers, their addresses in the environment.
export default async function up() {
  const { startServers } = await import('../dist/orchestrator/servers/servers.js');
  const servers = await startServers((line) => process.stderr.write(`${line}\n`), { postgres: true });
  if (servers.omissions.length > 0) {
    await servers.stop();
    throw new Error(servers.omissions.join('\n'));
  }
  process.env.SHADOWLINE_TEST_MYSQL_URL = servers.mysql.url;
  process.env.SHADOWLINE_TEST_KAFKA = servers.kafka.url;
  process.env.SHADOWLINE_TEST_REDIS_URL = servers.redis.url;
  process.env.SHADOWLINE_TEST_POSTGRES_URL = servers.postgres.url;
  globalThis.shadowlineTestServers = servers;
}
