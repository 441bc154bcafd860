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
    """Type and content of each section, in the order in which they stand in the file."""
    if image[:4] != b".eif" or len(image) < HEADER:
        sys.exit("not an enclave image: it does not begin with .eif, or ends within its header")
    version, _flags, _memory, _cpus, _reserved, count = struct.unpack(">HHQQHH", image[4:28])
    if version != 4 or not 1 <= count <= 32:
        sys.exit(f"version {version} with {count} sections; expected version 4 with 1 to 32")
    offsets = struct.unpack(f">{count}Q", image[28 : 28 + 8 * count])
    sizes = struct.unpack(f">{count}Q", image[284 : 284 + 8 * count])
    checksum = struct.unpack(">I", image[HEADER - 4 : HEADER])[0]
    if zlib.crc32(image[HEADER:], zlib.crc32(image[: HEADER - 4])) != checksum:
        sys.exit("the checksum does not match: the file is damaged")
    at = HEADER
    for offset, listed in zip(offsets, sizes):
        if offset != at or at + 12 > len(image):
            sys.exit(f"a section is listed at {offset}; expected one at {at}")
        kind, _flags, size = struct.unpack(">HHQ", image[at : at + 12])
        at += 12 + size
        if size != listed or at > len(image):
            sys.exit(f"the section at {offset} has {size} bytes, listed are {listed}")
        yield kind, image[at - size : at]
    if at != len(image):
        sys.exit(f"{len(image) - at} bytes stand behind the last section")


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
    loaded = [kind for kind, _ in parts if kind in (KERNEL, COMMAND_LINE, RAMDISK)]
    if loaded[:2] != [KERNEL, COMMAND_LINE] or set(loaded[2:]) != {RAMDISK}:
        sys.exit("expected one kernel, one command line, then ramdisks, in this order")
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
        for name in ("PCR0", "PCR1", "PCR2", "PCR8"):
            if said.get(name) != registers.get(name):
                sys.exit(f"{name} is {registers.get(name)}, and the record says {said.get(name)}")


main()
