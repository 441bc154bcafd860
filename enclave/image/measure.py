#!/usr/bin/env python3
"""What an enclave image measures to, computed from the file with nothing but Python.

    measure.py IMAGE.eif [measurements.json]

prints PCR0, PCR1, PCR2 (and PCR8 if the image is signed) as JSON. With a build's record it
compares, and ends with 1 if a register differs. It shares no code with the rest of the project,
so that an auditor has a second opinion; docs/ATTESTATION.md describes the format.
"""

import base64
import hashlib
import json
import struct
import sys
import zlib

KERNEL, COMMAND_LINE, RAMDISK, SIGNATURE = 1, 2, 3, 4
HEADER = 548


def sections(image):
    """Type and content of each section, in the order of the header's table."""
    if image[:4] != b".eif":
        sys.exit("not an enclave image: it does not begin with .eif")
    count = struct.unpack(">H", image[26:28])[0]
    offsets = struct.unpack(f">{count}Q", image[28 : 28 + 8 * count])
    checksum = struct.unpack(">I", image[HEADER - 4 : HEADER])[0]
    if zlib.crc32(image[HEADER:], zlib.crc32(image[: HEADER - 4])) != checksum:
        sys.exit("the checksum does not match: the file is damaged")
    for offset in offsets:
        kind, _flags, size = struct.unpack(">HHQ", image[offset : offset + 12])
        yield kind, image[offset + 12 : offset + 12 + size]


def register(*contents):
    """An untouched register, extended with the digest of what is loaded."""
    digest = hashlib.sha384(b"".join(contents)).digest()
    return hashlib.sha384(bytes(48) + digest).hexdigest()


def certificate(signature):
    """The signing certificate, DER, from a section in CBOR: it is written as an array of integers."""
    begin = signature.index(b"signing_certificate") + len(b"signing_certificate")
    pem, at = bytearray(), begin
    size = {0x98: 1, 0x99: 2, 0x9A: 4}[signature[at]]
    length = int.from_bytes(signature[at + 1 : at + 1 + size], "big")
    at += 1 + size
    while len(pem) < length:
        if signature[at] == 0x18:
            at += 1
        pem.append(signature[at])
        at += 1
    lines = pem.decode().split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    return base64.b64decode("".join(lines.split()))


def measure(image):
    parts = list(sections(image))
    of = lambda wanted: [content for kind, content in parts if kind == wanted]
    boot, ramdisks = of(KERNEL) + of(COMMAND_LINE), of(RAMDISK)
    registers = {
        "PCR0": register(*boot, *ramdisks),
        "PCR1": register(*boot, *ramdisks[:1]),
        "PCR2": register(*ramdisks[1:]),
    }
    for signature in of(SIGNATURE):
        registers["PCR8"] = register(certificate(signature))
    return registers


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as image:
        registers = measure(image.read())
    print(json.dumps(registers))
    if len(sys.argv) == 3:
        with open(sys.argv[2], encoding="utf-8") as record:
            said = json.load(record)
        for name, value in registers.items():
            if said.get(name) != value:
                sys.exit(f"{name} is {value}, and the record says {said.get(name)}")


main()
