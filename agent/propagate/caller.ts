import { BlockList, isIP } from 'node:net';
import type { AgentConfig } from '../config.js';

/** The networks from which a flag is accepted: `edge: strict`. Undefined when every caller may send one. */
export function allowedCallers(config: AgentConfig): ((address: string | undefined) => boolean) | undefined {
  if (config.flag.edge === 'open') return undefined;
  const list = new BlockList();
  for (const range of config.flag.allowFrom) {
    const [address, bits] = range.split('/') as [string, string | undefined];
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => {
    if (address === undefined) return false;
    // A dual-stack socket shows IPv4 callers as ::ffff:10.0.0.1.
    const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
    return list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
  };
}
