"""TenSEAL's CKKS: clients encrypt, the server adds ciphertexts, each client decrypts the sum.

All clients hold one secret key, as TenSEAL's own examples have it; the server holds a context
without it. Serialization is in the figures: ciphertexts travel as bytes. The cost per client
does not depend on how many there are, so few clients stand for many.

Example: python tenseal_ckks.py --clients 3 --dimension 10000 --lean
"""

import argparse

from measure import cpu_ms, median, report, require, update_of

import numpy as np
import tenseal as ts

DEGREE = 8192
SLOTS = DEGREE // 2


def parameters(lean):
    """Primes in bits, scale in bits, and whose key encrypts.

    Addition needs no rescaling, so one prime under the special one is enough. The common
    choice has 60 bits there and 40 of scale; the lean one has what a precision like that of 22
    bits takes, and encrypts with the secret key, which is cheaper.
    """
    if lean:
        return [40, 40], 30, ts.ENCRYPTION_TYPE.SYMMETRIC
    return [60, 40, 60], 40, ts.ENCRYPTION_TYPE.ASYMMETRIC


def encrypted(context, update):
    """The update's ciphertexts as bytes."""
    pieces = (update[start : start + SLOTS] for start in range(0, len(update), SLOTS))
    return [ts.ckks_vector(context, piece).serialize() for piece in pieces]


def main():
    """One sum."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--clients", type=int, default=9)
    options.add_argument("--dimension", type=int, default=1_000_000)
    options.add_argument("--lean", action="store_true")
    options = options.parse_args()

    primes, scale, encryption = parameters(options.lean)
    context = ts.context(
        ts.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=primes, encryption_type=encryption
    )
    context.global_scale = 2**scale
    server = ts.context_from(context.serialize(save_secret_key=False))
    require(not server.is_private(), "the server has the secret key")

    expected = np.zeros(options.dimension)
    client_times, server_times, total, size = [], [], None, 0
    for client in range(options.clients):
        update = update_of(client, options.dimension)
        expected += update
        upload, ms = cpu_ms(lambda: encrypted(context, update))
        client_times.append(ms)
        size = sum(map(len, upload))

        def add():
            loaded = [ts.ckks_vector_from(server, piece) for piece in upload]
            return loaded if total is None else [a + b for a, b in zip(total, loaded)]

        total, ms = cpu_ms(add)
        server_times.append(ms)

    def decrypt():
        pieces = [ts.ckks_vector_from(context, piece) for piece in released]
        return np.concatenate([piece.decrypt() for piece in pieces])

    released = [piece.serialize() for piece in total]
    found, after_ms = cpu_ms(decrypt)
    error = float(np.abs(found - expected).max())
    require(error < 1e-4, f"the sum is off by {error}")
    report(
        clients=options.clients,
        dimension=options.dimension,
        primes_bits=primes,
        scale_bits=scale,
        client_ms=median(client_times),
        client_after_ms=after_ms,
        # The first client is only loaded, not added.
        server_ms_per_client=median(server_times[1:]),
        bytes_per_client=size,
        largest_error=error,
    )


main()
