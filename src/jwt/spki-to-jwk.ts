import { base64url, type JWK } from 'jose';

/** What a DER value of this file may be: the five types that a SubjectPublicKeyInfo is made of. */
const tags = { integer: 0x02, bitString: 0x03, null: 0x05, objectIdentifier: 0x06, sequence: 0x30 } as const;

// Object identifiers as hexadecimal DER (RFC 3279 §2.3.1, RFC 5480 §2.1.1, RFC 8410 §3).
const rsaEncryption = '2a864886f70d010101';
const ecPublicKey = '2a8648ce3d0201';
const ed25519 = '2b6570';
const curves: ReadonlyMap<string, { readonly crv: string; readonly bytes: number }> = new Map([
  ['2a8648ce3d030107', { crv: 'P-256', bytes: 32 }],
  ['2b81040022', { crv: 'P-384', bytes: 48 }],
  ['2b81040023', { crv: 'P-521', bytes: 66 }],
]);

/** Reads DER values one after the other; every length is checked against what is there. */
class DerReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The content of the next value, which must have this tag. */
  read(tag: number): Uint8Array {
    if (this.#byte() !== tag) throw new RangeError('unexpected DER tag');
    let length = this.#byte();
    if (length >= 0x80) {
      const lengthBytes = length - 0x80;
      if (lengthBytes < 1 || lengthBytes > 2) throw new RangeError('DER length out of range');
      length = 0;
      for (let index = 0; index < lengthBytes; index += 1) length = length * 256 + this.#byte();
    }
    const end = this.#position + length;
    if (end > this.#bytes.length) throw new RangeError('DER value is cut off');
    const content = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return content;
  }

  end(): void {
    if (this.#position !== this.#bytes.length)
      throw new RangeError('DER value is followed by something else');
  }

  #byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) throw new RangeError('DER value is cut off');
    this.#position += 1;
    return byte;
  }
}

/**
 * A public key as `openssl pkey -pubout` writes it, as a JWK. Done by hand because WebCrypto can only do it
 * asynchronously, and a provider is a value that is complete once it has been made.
 *
 * @throws {RangeError} if the text is not the SPKI of an RSA, NIST curve or Ed25519 key; the message quotes nothing
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1
 */
export function spkiToJwk(pem: string): JWK {
  const match = /^\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/.exec(pem);
  if (match?.[1] === undefined) throw new RangeError('not a PEM public key');
  const outer = new DerReader(base64ToBytes(match[1]));
  const info = new DerReader(outer.read(tags.sequence));
  outer.end();
  const algorithm = new DerReader(info.read(tags.sequence));
  const bits = info.read(tags.bitString);
  info.end();
  if (bits[0] !== 0) throw new RangeError('key is not a whole number of bytes');
  const key = bits.subarray(1);

  switch (toHex(algorithm.read(tags.objectIdentifier))) {
    case rsaEncryption:
      return rsaJwk(key);
    case ecPublicKey:
      return ecJwk(toHex(algorithm.read(tags.objectIdentifier)), key);
    case ed25519:
      if (key.length !== 32) throw new RangeError('Ed25519 key of the wrong size');
      return { kty: 'OKP', crv: 'Ed25519', x: base64url.encode(key) };
    default:
      throw new RangeError('unknown key type');
  }
}

function rsaJwk(key: Uint8Array): JWK {
  const outer = new DerReader(key);
  const numbers = new DerReader(outer.read(tags.sequence));
  outer.end();
  const n = unsigned(numbers.read(tags.integer));
  const e = unsigned(numbers.read(tags.integer));
  numbers.end();
  return { kty: 'RSA', n: base64url.encode(n), e: base64url.encode(e) };
}

function ecJwk(curveIdentifier: string, point: Uint8Array): JWK {
  const curve = curves.get(curveIdentifier);
  if (curve === undefined) throw new RangeError('unknown curve');
  if (point[0] !== 0x04 || point.length !== 1 + 2 * curve.bytes) throw new RangeError('compressed point');
  const x = point.subarray(1, 1 + curve.bytes);
  const y = point.subarray(1 + curve.bytes);
  return { kty: 'EC', crv: curve.crv, x: base64url.encode(x), y: base64url.encode(y) };
}

/** A DER integer has a zero in front when its first bit is set; a JWK number must not (RFC 7518 §2). */
function unsigned(integer: Uint8Array): Uint8Array {
  return integer[0] === 0 ? integer.subarray(1) : integer;
}

function base64ToBytes(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text.replace(/\s/g, ''));
  } catch {
    throw new RangeError('not base64');
  }
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
