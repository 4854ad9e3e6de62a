/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012), a keyed pseudorandom function for short messages, in 32-bit halves: a call of node:crypto costs
 * twenty times as much, and a permutation of digits needs ten.
 *
 * @param key four words: k0 low, k0 high, k1 low, k1 high
 * @param words the message as little-endian words, low half first, its last byte being the message's length as SipHash pads it
 * @param out receives the low and the high half
 */
export function sipHash(key: Uint32Array, words: Uint32Array, out: Uint32Array): void {
  let v0l = key[0]! ^ 0x70736575;
  let v0h = key[1]! ^ 0x736f6d65;
  let v1l = key[2]! ^ 0x6e646f6d;
  let v1h = key[3]! ^ 0x646f7261;
  let v2l = key[0]! ^ 0x6e657261;
  let v2h = key[1]! ^ 0x6c796765;
  let v3l = key[2]! ^ 0x79746573;
  let v3h = key[3]! ^ 0x74656462;
  const count = words.length;
  for (let at = 0; at <= count; at += 2) {
    const isEnd = at === count;
    if (isEnd) v2l ^= 0xff;
    else {
      v3l ^= words[at]!;
      v3h ^= words[at + 1]!;
    }
    for (let round = isEnd ? 4 : 2; round > 0; round -= 1) {
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
      let low = (v0l >>> 0) + (v1l >>> 0);
      v0h = (v0h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
      v0l = low | 0;
      let l = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
      let h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
      v1l = l;
      v1h = h;
      l = v0l;
      v0l = v0h;
      v0h = l;
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      low = (v2l >>> 0) + (v3l >>> 0);
      v2h = (v2h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
      v2l = low | 0;
      l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
      h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
      v3l = l;
      v3h = h;
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      low = (v0l >>> 0) + (v3l >>> 0);
      v0h = (v0h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
      v0l = low | 0;
      l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
      h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
      v3l = l;
      v3h = h;
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      low = (v2l >>> 0) + (v1l >>> 0);
      v2h = (v2h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
      v2l = low | 0;
      l = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
      h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
      v1l = l;
      v1h = h;
      l = v2l;
      v2l = v2h;
      v2h = l;
    }
    if (!isEnd) {
      v0l ^= words[at]!;
      v0h ^= words[at + 1]!;
    }
  }
  out[0] = v0l ^ v1l ^ v2l ^ v3l;
  out[1] = v0h ^ v1h ^ v2h ^ v3h;
}
