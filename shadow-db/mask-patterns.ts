/**
 * What is personal by its shape alone. Each pattern finds candidates and says which of them count: a digit string that merely looks
 * like a card number must not be changed, or a replay would ask for another order.
 */
export interface Pattern {
  readonly name: 'email' | 'card' | 'phone' | 'national-id';
  readonly find: RegExp;
  accepts(match: string): boolean;
}

export const patterns: readonly Pattern[] = [
  {
    name: 'email',
    find: /[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g,
    accepts: () => true,
  },
  {
    name: 'card',
    // Not inside a longer word or number.
    find: /(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])/g,
    accepts: (match) => isCardNumber(digitsOf(match)),
  },
  {
    name: 'national-id',
    // US social security number; Chinese resident identity number (with its check character).
    find: /(?<![\w.-])(?:\d{3}-\d{2}-\d{4}|\d{17}[\dXx])(?![\w-])/g,
    accepts: (match) => match.includes('-') || isResidentId(match),
  },
  {
    name: 'phone',
    // With a country code, or in the usual grouping of ten digits.
    find: /(?<![\w.+-])(?:\+\d(?:[ ().-]{0,2}\d){6,14}|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w-])/g,
    accepts: () => true,
  },
];

export function digitsOf(text: string): string {
  return text.replace(/\D/g, '');
}

/** By issuer's first digits, length and Luhn's check digit (ISO/IEC 7812). */
export function isCardNumber(digits: string): boolean {
  const isIssued =
    /^4\d{12}(\d{3}){0,2}$/.test(digits) ||
    /^(5[1-5]|2[2-7])\d{14}$/.test(digits) ||
    /^3[47]\d{13}$/.test(digits) ||
    /^3[0689]\d{12}$/.test(digits) ||
    /^6\d{15,18}$/.test(digits);
  return isIssued && luhnDigit(digits.slice(0, -1)) === digits.at(-1);
}

/** The check digit that completes a card number. */
export function luhnDigit(digits: string): string {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    if (i % 2 === 0) {
      digit *= 2;
      if (digit > 9) digit -= 9;
    }
    sum += digit;
  }
  return String((10 - (sum % 10)) % 10);
}

const RESIDENT_WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** GB 11643-1999. */
function isResidentId(text: string): boolean {
  const sum = RESIDENT_WEIGHTS.reduce((total, weight, i) => total + weight * (text.charCodeAt(i) - 48), 0);
  return '10X98765432'[sum % 11] === text[17]!.toUpperCase();
}
