export default async function down() {
  await globalThis.shadowlineTestServers?.stop();
}
