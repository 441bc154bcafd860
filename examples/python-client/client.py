"""An example of the wire, without ledger and appraisal: not a client to use.

Written from docs/PROTOCOL.md alone (the sections are named below). It believes whatever offer it
gets, so it would seal for anybody's key, and it remembers nothing, so it would seal twice.
X25519, open admission, .npy files of f32 or f64.

    python client.py PARENT TASK BASE.npy UPDATE.npy AGGREGATE.npy

prints the acceptance as a line of JSON, waits for the release, verifies it and writes it.
"""

import hashlib
import hmac
import json
import secrets
import sys
import time
import urllib.request

import numpy as np
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

BLOCK = 16_384


# §1: canonical CBOR, and digests under a label.

def encode(value) -> bytes:
    def head(major, number):
        for size, info in ((1, 24), (2, 25), (4, 26), (8, 27)):
            if number < 24:
                return bytes([major << 5 | number])
            if number < 1 << 8 * size:
                return bytes([major << 5 | info]) + number.to_bytes(size, "big")
        raise ValueError(f"{number} has more than 64 bits")

    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    return head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def decode(data: bytes):
    def item(at):
        major, info = data[at] >> 5, data[at] & 31
        if data[at] == 0xF6:
            return None, at + 1
        size = 0 if info < 24 else {24: 1, 25: 2, 26: 4, 27: 8}[info]
        number = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else info
        at += 1 + size
        if major == 0:
            return number, at
        if major in (2, 3):
            raw = data[at : at + number]
            return (raw if major == 2 else raw.decode()), at + number
        items = []
        for _ in range({4: number, 5: 2 * number}[major]):
            value, at = item(at)
            items.append(value)
        return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at

    try:
        value, _ = item(0)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError("not CBOR of this protocol") from error
    if encode(value) != data:
        raise ValueError("not in canonical encoding")
    return value


def lp(label: str) -> bytes:
    return bytes([len(f"sealsum/v1/{label}")]) + f"sealsum/v1/{label}".encode()


def digest(label: str, *parts: bytes) -> bytes:
    framed = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return hashlib.sha256(lp(label) + framed).digest()


# §4: an update's layout and a base model, here one array without a name.

def schema_digest(shape, dtype: str) -> bytes:
    return digest("schema", encode({"tensors": [{"name": "", "shape": list(shape), "dtype": dtype}]}))


def base_model_digest(model: np.ndarray) -> tuple[bytes, bytes]:
    schema = schema_digest(model.shape, {4: "f32", 8: "f64"}[model.dtype.itemsize])
    return schema, digest("base-model", schema, np.ascontiguousarray(model).astype(model.dtype.newbyteorder("<")).tobytes())


# §8: numbers to ring elements and back.

def encode_update(values: np.ndarray, params, weight: int, draw=None) -> np.ndarray:
    steps = values.astype(np.float64).reshape(-1) * 2.0 ** params["fractional_bits"]
    if len(steps) != params["dimension"] or not np.isfinite(steps).all():
        raise ValueError("wrong dimension, or not finite")
    if (np.abs(steps) > params["clip"]).any():
        raise ValueError("beyond the clip")
    if not 1 <= weight <= params["max_weight"]:
        raise ValueError("weight out of range")
    if params["rounding"] == "nearest":
        whole = np.trunc(steps)
        whole += np.sign(steps) * (np.abs(steps - whole) >= 0.5)
    else:
        if draw is None:
            draw = np.frombuffer(secrets.token_bytes(4 * len(steps)), "<u4")
        whole = np.floor(steps + draw / 2.0**32)
    weighted = np.clip(whole, -float(params["clip"]), float(params["clip"])).astype(np.int64) * weight
    if params["l2_bound"] and sum(int(x) ** 2 for x in weighted) > params["l2_bound"] ** 2:
        raise ValueError("beyond the L2 bound")
    return weighted.view(np.uint64) & ring(params["ring_bits"])


def decode_aggregate(elements: np.ndarray, params, receipt) -> np.ndarray:
    shift = np.uint64(64 - params["ring_bits"])
    signed = (elements << shift).view(np.int64) >> shift.astype(np.int64)
    divisor = {"sum": 1, "mean": receipt["cohort_size"], "weighted_mean": receipt["total_weight"]}[params["rule"]]
    return signed / (2.0 ** params["fractional_bits"] * divisor)


def ring(bits: int) -> np.uint64:
    return np.uint64((1 << bits) - 1)


# §9: masks, packing, blocks.

def mask(seed: bytes, bits: int, count: int, first: int = 0) -> np.ndarray:
    size = 8 if bits == 64 else 4
    counter = (first * size // 16).to_bytes(16, "big")
    stream = Cipher(algorithms.AES(seed), modes.CTR(counter)).encryptor().update(bytes(size * count))
    return np.frombuffer(stream, f"<u{size}").astype(np.uint64) & ring(bits)


def pack(elements: np.ndarray, bits: int) -> bytes:
    places = np.arange(bits, dtype=np.uint64)
    return np.packbits((elements[:, None] >> places & np.uint64(1)).astype(np.uint8), bitorder="little").tobytes()


def unpack(packed: bytes, bits: int, count: int) -> np.ndarray:
    every = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    if len(packed) != (bits * count + 7) // 8 or every[bits * count :].any():
        raise ValueError("wrong length, or padding that is not zero")
    places = every[: bits * count].reshape(count, bits).astype(np.uint64)
    return (places << np.arange(bits, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def blocks(packed: bytes, bits: int) -> list[bytes]:
    size = BLOCK * bits // 8
    return [packed[at : at + size] for at in range(0, len(packed), size)]


# §10: Merkle trees.

def leaf(label: str, data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + lp(label) + data).digest()


def node(label: str, left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + lp(label) + left + right).digest()


def root(label: str, leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaf(label, leaves[0]) if leaves else hashlib.sha256().digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node(label, root(label, leaves[:split]), root(label, leaves[split:]))


def leads_to(label: str, data: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    if index >= size or len(path) > 32:
        raise ValueError("no such place")
    at, last, value = index, size - 1, leaf(label, data)
    for sibling in path:
        if last == 0:
            raise ValueError("path too long")
        if at & 1 or at == last:
            value = node(label, sibling, value)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node(label, value, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ValueError("path too short")
    return value


def body_root(label: str, packed_blocks: list[bytes]) -> bytes:
    return root(label, [blake3(block).digest() for block in packed_blocks])


# §11: HPKE (RFC 9180), base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305.

KEM, SUITE = b"KEM\0\x20", b"HPKE\0\x20\0\x01\0\x03"


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    # All lengths here fit in one block of HMAC-SHA256.
    return hmac.digest(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\1", "sha256")[:length]


class Hpke:
    """What both ends derive from the exchanged secret."""

    def __init__(self, exchanged: bytes, encapsulated: bytes, public: bytes, info: bytes):
        shared = expand(KEM, extract(KEM, b"", b"eae_prk", exchanged), b"shared_secret", encapsulated + public, 32)
        context = b"\0" + extract(SUITE, b"", b"psk_id_hash", b"") + extract(SUITE, b"", b"info_hash", info)
        secret = extract(SUITE, shared, b"secret", b"")
        self.nonce = expand(SUITE, secret, b"base_nonce", context, 12)
        self.aead = ChaCha20Poly1305(expand(SUITE, secret, b"key", context, 32))
        self.exporter = expand(SUITE, secret, b"exp", context, 32)

    def export(self, context: bytes) -> bytes:
        return expand(SUITE, self.exporter, b"sec", context, 32)


def seal(binding, round_id: bytes, client: bytes, elements: np.ndarray, weight: int) -> tuple[dict, bytes]:
    """The header and the packed masked update."""
    params = binding["params"]["params"]
    ephemeral = X25519PrivateKey.generate()
    encapsulated = ephemeral.public_key().public_bytes_raw()
    exchanged = ephemeral.exchange(X25519PublicKey.from_public_bytes(binding["kem_key"]))
    hpke = Hpke(exchanged, encapsulated, binding["kem_key"], lp("hpke-info") + round_id)
    seed = hpke.export(lp("mask-seed") + client)
    bits = params["ring_bits"]
    body = pack(elements + mask(seed, bits, len(elements)) & ring(bits), bits)
    commitment = body_root("tree/commitment", blocks(body, bits))
    sealed = hpke.aead.encrypt(hpke.nonce, weight.to_bytes(4, "little"), lp("hpke-aad") + client + commitment)
    header = {"round_id": round_id, "client": client, "encapsulated_key": encapsulated}
    return header | {"commitment": commitment, "sealed": sealed, "credential": None}, body


# §12: what the round's receipt key signs; §4: what the operator signs.

def verify_statement(label: str, signed, key: bytes, round_id: bytes):
    if signed["statement"]["round_id"] != round_id:
        raise ValueError("a statement of another round")
    Ed25519PublicKey.from_public_bytes(key).verify(signed["signature"], lp(label) + round_id + encode(signed["statement"]))
    return signed["statement"]


def verify_params(signed):
    key = Ed25519PublicKey.from_public_bytes(signed["params"]["operator"])
    key.verify(signed["signature"], lp("round-params") + encode(signed["params"]))
    return signed["params"]


# §16: the parent's HTTP interface.

def call(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=body, method="PUT" if body else "GET")
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read()


def contribute(parent: str, task: str, model: np.ndarray, update: np.ndarray, weight: int = 1):
    offer = decode(call(f"{parent}/v1/tasks/{task}/offer?nonce={secrets.token_hex(32)}"))
    # Here a client appraises offer["evidence"] and judges the parameters by its policy. This one does not.
    binding = offer["binding"]
    params = verify_params(binding["params"])
    if (params["schema"], params["base_model"]) != base_model_digest(model) or params["kem"] != "x25519":
        raise ValueError("a round for another model, or of another KEM")
    round_id = digest("round-binding", encode(binding))
    # Here a client records, durably, what it is about to spend. This one does not.
    client = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    header, body = seal(binding, round_id, client, encode_update(update, params, weight), weight)
    head = encode(header)
    upload = len(head).to_bytes(4, "big") + head + body
    signed = decode(call(f"{parent}/v1/rounds/{round_id.hex()}/contributions/{client.hex()}", upload))
    accepted = verify_statement("acceptance", signed, binding["receipt_key"], round_id)
    if (accepted["client"], accepted["contribution"]) != (client, digest("contribution", head)):
        raise ValueError("the acceptance is of another contribution")
    return binding, accepted


def collect(parent: str, binding, accepted) -> np.ndarray:
    params, round_id = binding["params"]["params"], accepted["round_id"]
    base = f"{parent}/v1/rounds/{round_id.hex()}"
    receipt = verify_statement("receipt", decode(call(f"{base}/receipt")), binding["receipt_key"], round_id)
    packed = call(f"{base}/aggregate")
    if body_root("tree/aggregate", blocks(packed, params["ring_bits"])) != receipt["aggregate"]:
        raise ValueError("the aggregate is not the receipt's")
    if receipt["cohort_size"] < max(params["min_cohort"], 3):
        raise ValueError("too small a cohort")
    (member,) = decode(call(f"{base}/proofs/{accepted['client'].hex()}"))["members"]
    data = accepted["client"] + accepted["contribution"]
    if leads_to("tree/cohort", data, member["index"], receipt["cohort_size"], member["path"]) != receipt["cohort_root"]:
        raise ValueError("this contribution is not in the sum")
    return decode_aggregate(unpack(packed, params["ring_bits"], params["dimension"]), params, receipt)


def main():
    parent, task, base, update, out = sys.argv[1:]
    model = np.load(base, allow_pickle=False)
    binding, accepted = contribute(parent, task, model, np.load(update, allow_pickle=False))
    print(json.dumps({name: value.hex() for name, value in accepted.items()}), flush=True)
    while (phase := json.loads(call(f"{parent}/v1/rounds/{accepted['round_id'].hex()}"))["phase"]) != "released":
        if phase in ("aborted", "lost"):
            sys.exit(f"the round is {phase}")
        time.sleep(0.2)
    np.save(out, collect(parent, binding, accepted).reshape(model.shape))


if __name__ == "__main__":
    main()
