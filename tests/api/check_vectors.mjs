// Checks docs/vectors/transactions.json with JavaScript alone: JSON, WebCrypto, no library of ours.
// node check_vectors.mjs transactions.json
import { readFileSync } from "node:fs";

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { subtle } = globalThis.crypto;
const encoder = new TextEncoder();

// RFC 8785 for what a transaction may hold: ASCII keys, integers up to 2^53 - 1.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// An Ed25519 private key as PKCS #8, which is what WebCrypto imports.
const privateKey = (seed) => subtle.importKey(
  "pkcs8", unhex(`302e020100300506032b657004220420${seed}`), { name: "Ed25519" }, false, ["sign"]);

function same(what, found, expected) {
  if (found !== expected) {
    console.error(`${what}\n  found    ${found}\n  expected ${expected}`);
    process.exit(1);
  }
}

let checked = 0;
for (const vector of vectors.valid) {
  const body = canonical(vector.transaction);
  same(`${vector.name}: canonical form`, body, vector.canonical);
  const message = encoder.encode(vectors.signing_prefix + body);
  same(`${vector.name}: signed bytes`, hex(message), vector.signed_bytes_hex);
  same(`${vector.name}: id`, hex(await subtle.digest("SHA-256", message)), vector.id);
  for (const [place, { key, signature }] of vector.signatures.entries()) {
    const made = await subtle.sign("Ed25519", await privateKey(vector.signers[place].seed), message);
    same(`${vector.name}: signature ${place}`, hex(made), signature);
    const publicKey = await subtle.importKey("raw", unhex(key), { name: "Ed25519" }, false, ["verify"]);
    same(`${vector.name}: verification`, await subtle.verify("Ed25519", publicKey, unhex(signature), message), true);
    message[0] ^= 1;
    same(`${vector.name}: a changed message`, await subtle.verify("Ed25519", publicKey, unhex(signature), message), false);
    message[0] ^= 1;
    checked += 1;
  }
}
console.log(`${checked} signatures`);
