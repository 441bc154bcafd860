# The container image that `nitro-cli build-enclave` takes: the program, and nothing beside it.
#
#   docker build --tag sealsum-enclave .
#   nitro-cli build-enclave --docker-uri sealsum-enclave --output-file sealsum.eif
#
# AWS's init then starts the program, and AWS's kernel and init are measured with it. For an image
# without either, see `cargo xtask image`. Both call enclave/image/build.sh.
#
# The base image compiles and does not ship. A tag can be moved by whoever owns it: for a release
# name the digest too, as in --build-arg BASE=rust:1.95.0-slim-bookworm@sha256:...
ARG BASE=rust:1.95.0-slim-bookworm

FROM ${BASE} AS build
COPY Cargo.toml /source/Cargo.toml
COPY protocol /source/protocol
COPY enclave/core /source/enclave/core
COPY enclave/nitro /source/enclave/nitro
COPY enclave/image /source/enclave/image
RUN /source/enclave/image/build.sh /image

FROM scratch
COPY --from=build /image/sealsum-enclave /sealsum-enclave
CMD ["/sealsum-enclave"]
