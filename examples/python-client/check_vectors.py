"""The vectors, good and bad ones, against client.py. Ends with an error at the first that does not hold."""

import json
import pathlib
import struct

import numpy as np
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

import client as c

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "vectors"
un = bytes.fromhex
count = 0


def cases(name: str):
    global count
    found = json.loads((FOLDER / f"{name}.json").read_text())["cases"]
    assert found, name
    count += len(found)
    return found


def refused(action, *arguments):
    try:
        action(*arguments)
    except (ValueError, InvalidSignature):
        return
    raise AssertionError(f"not refused: {arguments}")


def short(label: str) -> str:
    return label.removeprefix("sealsum/v1/")


def doubles(values) -> np.ndarray:
    return np.array([struct.unpack(">d", un(value))[0] for value in values])


def same(found, expected, what):
    assert found == expected, f"{what}: found {found!r}, expected {expected!r}"


def pairs(private: bytes, ikm_label: str = "kem-ikm") -> X25519PrivateKey:
    """§6: DeriveKeyPair of RFC 9180 §7.1.3."""
    prk = c.extract(c.KEM, b"", b"dkp_prk", c.lp(ikm_label) + private)
    return X25519PrivateKey.from_private_bytes(c.expand(c.KEM, prk, b"sk", b"", 32))


def open_header(key: X25519PrivateKey, round_id, client, encapsulated, commitment, sealed):
    exchanged = key.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    hpke = c.Hpke(exchanged, encapsulated, key.public_key().public_bytes_raw(), c.lp("hpke-info") + round_id)
    weight = hpke.aead.decrypt(hpke.nonce, sealed, c.lp("hpke-aad") + client + commitment)
    return int.from_bytes(weight, "little"), hpke.export(c.lp("mask-seed") + client)


for case in cases("labels"):
    same(c.digest(short(case["label"]), *map(un, case["parts"])).hex(), case["digest"], case["label"])

for case in cases("messages") + cases("statements"):
    same(c.encode(c.decode(un(case["cbor"]))).hex(), case["cbor"], case["type"])

# What a decoder without a schema can see; the other cases are of fields and names.
BY_ENCODING = {"empty", "not_cbor", "truncated", "trailing_byte", "tagged", "duplicate_field",
               "length_not_minimal", "indefinite_map"}
bad = {case["name"]: case for case in cases("bad_messages")}
assert BY_ENCODING <= bad.keys(), BY_ENCODING - bad.keys()
for name in BY_ENCODING:
    refused(c.decode, un(bad[name]["cbor"]))

for case in cases("schemas"):
    schema = un(case["schema"])
    same(c.digest("schema", schema).hex(), case["digest"], "schema")
    same(c.digest("base-model", un(case["digest"]), un(case["numbers"])).hex(), case["base_model"], "base model")
    tensors = c.decode(schema)["tensors"]
    if [tensor["name"] for tensor in tensors] == [""]:
        same(c.schema_digest(tensors[0]["shape"], tensors[0]["dtype"]).hex(), case["digest"], "one array")

for case in cases("queries"):
    epoch = int(case["data_epoch"]).to_bytes(8, "little")
    same(c.digest("query", case["query"].encode(), epoch).hex(), case["digest"], "query")

for case in cases("packing"):
    bits, numbers = int(case["bits"]), [int(value) for value in case["values"]]
    elements = np.array([number % 2**bits for number in numbers], np.uint64)
    same(c.pack(elements, bits).hex(), case["packed"], f"packing at {bits}")
    same(c.unpack(un(case["packed"]), bits, len(numbers)).tolist(), elements.tolist(), f"unpacking at {bits}")
for case in cases("bad_packing"):
    refused(c.unpack, un(case["packed"]), int(case["bits"]), int(case["elements"]))

for case in cases("masks"):
    bits, count_of_case = int(case["bits"]), 12
    made = c.mask(un(case["seed"]), bits, count_of_case, int(case["block"]) * c.BLOCK)
    same(c.pack(made, bits).hex(), case["packed"], f"mask at {bits}, block {case['block']}")

for case in cases("trees"):
    label, leaves = short(case["label"]), [un(data) for data in case["leaves"]]
    same(c.root(label, leaves).hex(), case["root"], "tree")
    for index, path in enumerate(case["paths"]):
        led = c.leads_to(label, leaves[index], index, len(leaves), [un(h) for h in path])
        same(led.hex(), case["root"], f"path {index} of {len(leaves)}")
for case in cases("bad_paths"):
    if case["of"] == "tree":
        place = short(case["label"]), un(case["leaf"]), int(case["index"]), int(case["size"])
        try:
            led = c.leads_to(*place, [un(h) for h in case["path"]]).hex()
        except ValueError:
            continue
        assert led != case["root"], case["name"]

TREES = {"masked_update": "tree/commitment", "masked_sum": "tree/sum", "aggregate": "tree/aggregate"}
for case in cases("commitments"):
    same(c.body_root(TREES[case["of"]], [un(block) for block in case["blocks"]]).hex(), case["root"], case["of"])

for case in cases("nonces"):
    for nonce, path in zip(case["nonces"], case["paths"], strict=True):
        place = c.decode(un(path))
        alone = place["size"] == 1 and not place["path"]
        led = un(nonce) if alone else c.leads_to("tree/nonce", un(nonce), place["index"], place["size"], place["path"])
        same(led.hex(), case["document_nonce"], "nonce")

for case in cases("cohorts"):
    leaves = sorted(un(m["client"]) + un(m["contribution"]) for m in case["members"])
    same(c.root("tree/cohort", leaves).hex(), case["root"], "cohort")

for case in cases("fixed_point"):
    params, values, weight = c.decode(un(case["terms"])), doubles(case["values"]), int(case["weight"])
    step = 2.0 ** -params["fractional_bits"]
    clamped = np.clip(values, -params["clip"] * step, params["clip"] * step)
    same(int((clamped != values).sum()), int(case["clamped"]), "clamped")
    seed = case.get("rounding_seed")
    draw = c.mask(un(seed), 32, len(values)) if seed and params["rounding"] == "stochastic" else None
    made = c.encode_update(clamped, params, weight, draw)
    same(c.pack(made, params["ring_bits"]).hex(), case["elements"], "fixed point")
    divided = {"cohort_size": int(case["cohort_size"]), "total_weight": int(case["total_weight"])}
    same(c.decode_aggregate(made, params, divided).tolist(), doubles(case["read_back"]).tolist(), "read back")
for case in cases("bad_fixed_point"):
    refused(c.encode_update, doubles(case["values"]), c.decode(un(case["terms"])), int(case["weight"]))

for case in cases("rounds"):
    binding = c.decode(un(case["binding"]))
    same(c.digest("round-binding", c.encode(binding)).hex(), case["round_id"], "RoundId")
    params = c.verify_params(binding["params"])
    operator = Ed25519PrivateKey.from_private_bytes(un(case["operator_secret"]))
    same(operator.sign(c.lp("round-params") + c.encode(params)), binding["params"]["signature"], "operator")
    if params["kem"] == "x25519":
        public = pairs(un(case["kem_entropy"])).public_key().public_bytes_raw()
        same(public.hex(), case["kem_key"], "KEM key")

LABELS = {"Acceptance": "acceptance", "Receipt": "receipt", "AbortReceipt": "abort-receipt"}
for case in cases("statements"):
    signed = c.decode(un(case["cbor"]))
    c.verify_statement(LABELS[case["type"]], signed, un(case["receipt_key"]), un(case["round_id"]))
for case in cases("bad_signatures"):
    signed = c.decode(un(case["signed"]))
    if case["type"] == "SignedRoundParams":
        refused(c.verify_params, signed)
    else:
        refused(c.verify_statement, LABELS[case["type"]], signed, un(case["receipt_key"]), un(case["round_id"]))

opened = 0
for case in cases("contributions"):
    binding, header, body = c.decode(un(case["binding"])), c.decode(un(case["header"])), un(case["body"])
    params = binding["params"]["params"]
    bits = params["ring_bits"]
    same(c.body_root("tree/commitment", c.blocks(body, bits)), header["commitment"], "commitment")
    same(c.digest("contribution", un(case["header"])).hex(), case["digest"], "contribution")
    same((len(un(case["header"])).to_bytes(4, "big") + un(case["header"])).hex(), case["upload_prefix"], "upload")
    if params["kem"] != "x25519":
        continue
    key = pairs(un(case["kem_entropy"]))
    weight, seed = open_header(key, *(header[name] for name in list(header)[:5]))
    same(weight, int(case["weight"]), "weight")
    elements = c.unpack(un(case["elements"]), bits, params["dimension"])
    same(c.pack(elements + c.mask(seed, bits, len(elements)) & c.ring(bits), bits).hex(), body.hex(), "masked")
    # And what this client seals itself opens.
    mine, masked = c.seal(binding, header["round_id"], header["client"], elements, weight)
    weight_again, seed = open_header(key, *(mine[name] for name in list(mine)[:5]))
    unmasked = c.unpack(masked, bits, len(elements)) - c.mask(seed, bits, len(elements)) & c.ring(bits)
    same((weight_again, unmasked.tolist()), (weight, elements.tolist()), "sealed here")
    opened += 1
assert opened, "no contribution under x25519"
for case in cases("bad_contributions"):
    if case["suite"] == "x25519":
        names = ("round_id", "client", "encapsulated_key", "commitment", "sealed")
        try:
            open_header(pairs(un(case["kem_entropy"])), *(un(case[name]) for name in names))
        except (ValueError, InvalidTag):
            continue
        raise AssertionError(f"{case['name']} opens")

print(f"vectors: {count} read, all hold (key agreement: x25519 only)")
