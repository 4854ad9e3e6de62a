import { createHmac } from 'node:crypto';
import { digitsOf, luhnDigit, patterns } from './mask-patterns.js';
import { sipHash } from './siphash.js';

const ROUNDS = 10;
const LONGEST_PERMUTED = 30;
const powers = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);
const syllables =
  'ba be bi bo bu da de di do du fa fe fi fo ga ge gi go ha he hi ho ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we wi'.split(
    ' ',
  );

/**
 * Keyed tokens in place of what is personal. Recordings and seeded rows are masked by this same function, so that what a replayed request
 * asks for is what its row holds. The same value gives the same token, and without the key nobody can compute a token from a guess.
 */
export class Tokens {
  readonly #key: Buffer;
  readonly #digitKey = new Uint32Array(4);
  readonly #message = new Uint32Array(4);
  readonly #hash = new Uint32Array(2);

  /** @param domain values of another domain get unrelated tokens; '' is the domain of recordings */
  constructor(key: Buffer | string, domain = '') {
    const whole = typeof key === 'string' ? Buffer.from(key) : key;
    this.#key = domain === '' ? whole : createHmac('sha256', whole).update(`mask domain ${domain}`).digest();
    const own = createHmac('sha256', this.#key).update('permutation of digits').digest();
    for (let at = 0; at < 4; at += 1) this.#digitKey[at] = own.readUInt32LE(at * 4);
  }

  /** 24 characters: `m_` and 128 bits and a little as base64url. */
  token(value: string): string {
    return `m_${this.#digest(value).toString('base64url').slice(0, 22)}`;
  }

  /** 16 hex digits: names somebody without saying who. */
  pseudonym(value: string): string {
    return this.#digest(value).toString('hex').slice(0, 16);
  }

  /** 39 characters. Letter case does not count. */
  email(value: string): string {
    return `${this.token(value.toLowerCase())}@masked.invalid`;
  }

  /** Two words that can be read aloud, at most 13 characters, of about 2^36: not for unique columns. */
  name(value: string): string {
    const digest = this.#digest(value);
    const word = (from: number): string => {
      const text = [0, 1, 2].map((at) => syllables[digest[from + at]! % syllables.length]).join('');
      return text[0]!.toUpperCase() + text.slice(1);
    };
    return `${word(0)} ${word(3)}`;
  }

  /**
   * Other digits in the same places; everything else stays. Texts that differ only in digits never get the same token: up to 30 digits
   * are permuted. A first 0 stays and no other first digit becomes 0, so that a number keeps its length. Of a card number the first
   * digit stays (it says whose card it is) and the check digit fits.
   */
  digits(text: string, isCard = false): string {
    const digits = digitsOf(text);
    if (digits === '') return text;
    const fresh = isCard && digits.length > 2 ? this.#card(digits) : this.#number(digits);
    let next = 0;
    return text.replace(/\d/g, () => fresh[next++]!);
  }

  /** Free text: only what is recognised by its shape. */
  text(text: string): string {
    let masked = text;
    for (const pattern of patterns) {
      masked = masked.replace(pattern.find, (match) => {
        if (!pattern.accepts(match)) return match;
        return pattern.name === 'email' ? this.email(match) : this.digits(match, pattern.name === 'card');
      });
    }
    return masked;
  }

  #card(digits: string): string {
    const fresh = digits[0]! + this.#permuted(digits.slice(1, -1));
    return fresh + luhnDigit(fresh);
  }

  #number(digits: string): string {
    if (digits[0] === '0') return `0${digits.length === 1 ? '' : this.#permuted(digits.slice(1))}`;
    // walking the cycle until the first digit is not 0 is a permutation of the numbers that do not begin with 0
    let fresh = digits;
    do fresh = this.#permuted(fresh);
    while (fresh[0] === '0');
    return fresh;
  }

  /** A permutation of the digit strings of one length: a Feistel network in the shape of NIST SP 800-38G (FF1), with SipHash as its round function. */
  #permuted(digits: string): string {
    const length = digits.length;
    if (length > LONGEST_PERMUTED) return this.#expanded(digits);
    const leftLength = Math.floor(length / 2);
    const rightLength = length - leftLength;
    let left = Number(digits.slice(0, leftLength));
    let right = Number(digits.slice(leftLength));
    for (let round = 0; round < ROUNDS; round += 1) {
      const size = powers[round % 2 === 0 ? leftLength : rightLength]!;
      const sum = (left + this.#round(round, length, right, size)) % size;
      left = right;
      right = sum;
    }
    const first = leftLength === 0 ? '' : String(left).padStart(leftLength, '0');
    return first + String(right).padStart(rightLength, '0');
  }

  #round(round: number, length: number, half: number, size: number): number {
    const message = this.#message;
    message[0] = half % 2 ** 32;
    message[1] = half / 2 ** 32;
    // a message of ten bytes
    message[2] = round | (length << 8);
    message[3] = 10 << 24;
    sipHash(this.#digitKey, message, this.#hash);
    const [low, high] = [this.#hash[0]!, this.#hash[1]!];
    if (size <= 1e9) return ((high % 2 ** 20) * 2 ** 32 + low) % size;
    return Number(((BigInt(high) << 32n) | BigInt(low)) % BigInt(size));
  }

  /** So many digits that two never meet by chance. */
  #expanded(digits: string): string {
    let fresh = '';
    for (let part = 0; fresh.length < digits.length; part += 1) {
      for (const byte of this.#digest(`${part} ${digits}`)) if (byte < 250) fresh += String(byte % 10);
    }
    return fresh.slice(0, digits.length).replace(/^0/, '1');
  }

  #digest(value: string): Buffer {
    return createHmac('sha256', this.#key).update(value).digest();
  }
}
