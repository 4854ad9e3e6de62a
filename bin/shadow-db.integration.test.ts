import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Connection, createConnection } from 'mysql2/promise';
import { env as fixture, minimal } from '../orchestrator/scenario/fixtures/text.js';

const stressFile = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist', 'bin', 'stress.js');
const suffix = randomBytes(4).toString('hex');
const database = `cli_${suffix}`;
const user = `cli_rw_${suffix}`;
const password = randomBytes(9).toString('base64url');
let folder = '';
let root: Connection;
let url: URL;

/** `stress shadow-db …` as a user would call it. */
function shadowDb(
  args: string[],
  variables: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [stressFile, 'shadow-db', ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...fixture, CLI_DB: url.href, CLI_PASSWORD: password, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

async function count(table: string): Promise<number> {
  const [rows] = await root.query(`SELECT COUNT(*) AS n FROM ${database}.${table}`);
  return Number((rows as { n: number }[])[0]?.n);
}

beforeAll(async () => {
  url = new URL(process.env.SHADOWLINE_TEST_MYSQL_URL!);
  root = await createConnection({ uri: url.href, multipleStatements: false });
  await root.query(`CREATE DATABASE ${database}`);
  await root.query(`CREATE TABLE ${database}.accounts (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20))`);
  await root.query(`INSERT INTO ${database}.accounts (name) VALUES ('a'), ('b')`);
  url.pathname = `/${database}`;
  folder = mkdtempSync(join(tmpdir(), 'shadow-db cli '));
  const store = `  mysql:
    main:
      url: env:CLI_DB
      account: { user: ${user}, passwordEnv: CLI_PASSWORD }
      tables: { shadow: [accounts] }
      seed: { accounts: { idOffset: { id: 9000000 } } }
`;
  writeFileSync(join(folder, 's.yaml'), minimal + store);
});

afterAll(async () => {
  await root.query(`DROP DATABASE IF EXISTS ${database}`);
  await root.query(`DROP USER IF EXISTS '${user}'@'%'`);
  await root.end();
  rmSync(folder, { recursive: true, force: true });
});

describe('stress shadow-db, from nothing to nothing', () => {
  it('refuses a run while there is no shadow table', async () => {
    const { code, out, err } = await shadowDb(['drift', 's.yaml']);
    expect(code).toBe(3);
    expect(out).toContain('accounts: has no shadow table');
    expect(err).toContain('stress shadow-db provision');
  });

  it('shows its plan and changes nothing', async () => {
    const { code, out } = await shadowDb(['provision', 's.yaml']);
    expect(code).toBe(0);
    expect(out).toContain('accounts_shadow');
    expect(out).toContain('Nothing was changed');
    expect(out).not.toContain(password);
    await expect(count('accounts_shadow')).rejects.toThrow();
    const plan = JSON.parse((await shadowDb(['plan', 's.yaml', '--json'])).out);
    expect(plan.main.steps.length).toBeGreaterThan(1);
  });

  it('says which variable holds the password that is missing', async () => {
    const { code, err } = await shadowDb(['provision', 's.yaml', '--apply'], { CLI_PASSWORD: '' });
    expect(code).toBe(2);
    expect(err).toContain('set CLI_PASSWORD');
    await expect(count('accounts_shadow')).rejects.toThrow();
  });

  it('provisions, and then no table is left to do', async () => {
    const { code, err } = await shadowDb(['provision', 's.yaml', '--apply']);
    expect(err).not.toContain(password);
    expect(code).toBe(0);
    expect(await count('accounts_shadow')).toBe(2);
    // The server does not tell whether the password is the same, so that step is always there.
    const { main } = JSON.parse((await shadowDb(['plan', 's.yaml', '--json'])).out);
    expect(main.steps.map((step: { kind: string }) => step.kind)).toEqual(['account']);
    expect((await shadowDb(['drift', 's.yaml'])).code).toBe(0);
  });

  it('proves that the restricted account cannot write real tables', async () => {
    const { code, out } = await shadowDb(['verify', 's.yaml']);
    expect(out).not.toContain('FAIL');
    expect(code).toBe(0);
  });

  it('finds rights that are too wide', async () => {
    await root.query(`GRANT INSERT ON ${database}.accounts TO '${user}'@'%'`);
    const { code, out } = await shadowDb(['verify', 's.yaml']);
    expect(code).toBe(3);
    expect(out).toContain('FAIL');
    await root.query(`REVOKE INSERT ON ${database}.accounts FROM '${user}'@'%'`);
    expect((await shadowDb(['verify', 's.yaml'])).code).toBe(0);
  });

  it('cleans rows, then everything, and never a real row', async () => {
    expect((await shadowDb(['clean', 's.yaml'])).out).toContain('Nothing was changed');
    expect(await count('accounts_shadow')).toBe(2);
    expect((await shadowDb(['clean', 's.yaml', '--apply'])).code).toBe(0);
    expect(await count('accounts_shadow')).toBe(0);
    expect((await shadowDb(['clean', 's.yaml', '--mode', 'drop', '--apply'])).code).toBe(0);
    await expect(count('accounts_shadow')).rejects.toThrow();
    expect(await count('accounts')).toBe(2);
  });

  it('names the server that cannot be reached, without its password', async () => {
    const closed = new URL(url.href);
    closed.port = '1';
    closed.password = password;
    const { code, err } = await shadowDb(['drift', 's.yaml'], { CLI_DB: closed.href });
    expect(code).toBe(1);
    expect(err).toMatch(/store main: .*127\.0\.0\.1:1\/.* cannot be reached: .*ECONNREFUSED/);
    expect(err).not.toContain(password);
  });
});
