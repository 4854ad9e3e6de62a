import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { accepts, freePort, startLeashed, untilReady } from './leash.js';
import type { RunningServer } from './mariadb.js';

/** Starts Redis on a free port, on loopback, without persistence. */
export async function startRedis(program: string, dir: string): Promise<RunningServer> {
  const home = join(dir, 'redis');
  const logFile = join(dir, 'redis.log');
  await mkdir(home, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', home];
    const server = startLeashed({ command: program, args, cwd: home, logFile });
    try {
      await untilReady('Redis', server, logFile, () => accepts(port));
      return { url: `redis://127.0.0.1:${port}`, pid: server.pid, logFile, stop: () => server.stop() };
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}
