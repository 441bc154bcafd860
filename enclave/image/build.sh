#!/bin/sh
# Builds the image's one program: static, and the same bytes in every folder.
#
#   enclave/image/build.sh OUT
#
# writes OUT/sealsum-enclave. The Dockerfile and `cargo xtask image` both call this, so
# that there is one way to build. It needs a Rust toolchain, a C compiler and the static
# C library; FOLDER/target keeps what was built for the next time, if given as
# SEALSUM_IMAGE_CACHE=FOLDER.
#
# What is measured is copied to a folder of its own and made one workspace there. Cargo
# hashes the place of whatever lies outside of a workspace into its symbols' names, and
# with the names the layout changes. It also shows that nothing else enters the image.
set -eu

out=${1:?"usage: enclave/image/build.sh OUT"}
repository=$(cd "$(dirname "$0")/../.." && pwd -P)
mkdir -p "$out"
out=$(cd "$out" && pwd -P)
cache=${SEALSUM_IMAGE_CACHE:-$out}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)

stage=$(mktemp -d "$cache/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT TERM HUP

# Keeps the tables of a manifest whose headers match, or drops them.
tables() { # keep|drop PATTERN FILE
    awk -v mode="$1" -v pattern="$2" '
        BEGIN { shown = (mode == "drop") }
        /^\[/ { shown = ($0 ~ pattern) == (mode == "keep") }
        shown' "$3"
}

for folder in protocol enclave/core enclave/nitro; do
    mkdir -p "$stage/$folder"
    cp -R "$repository/$folder/src" "$stage/$folder/src"
done
# Tests and their crates are no part of the image, nor of its lock file.
for folder in protocol enclave/core; do
    tables drop '^\[(dev-dependencies|\[(bench|test))' "$repository/$folder/Cargo.toml" >"$stage/$folder/Cargo.toml"
done
tables drop '^\[(workspace|profile|dev-dependencies)' "$repository/enclave/nitro/Cargo.toml" >"$stage/enclave/nitro/Cargo.toml"
{
    printf '[workspace]\nresolver = "3"\nmembers = ["enclave/nitro"]\n'
    tables keep '^\[workspace\.(package|dependencies|lints)' "$repository/Cargo.toml"
    tables keep '^\[profile\.release\]' "$repository/enclave/nitro/Cargo.toml"
} >"$stage/Cargo.toml"
cp "$repository/enclave/nitro/Cargo.lock" "$stage/Cargo.lock"

cd "$stage"
# What an environment could add to the build.
unset RUSTFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS
for setting in $(env | sed -n 's/^\(CARGO_PROFILE_[A-Z_]*\)=.*/\1/p'); do
    unset "$setting"
done
export CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$cache/target"
export CFLAGS= CXXFLAGS= LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=0
target=x86_64-unknown-linux-gnu
cargo fetch --locked --target "$target"

# No path of this machine in the program: sources have the same names everywhere. Flags are
# parted by a character that no path has.
part=$(printf '\037')
flags="-Ctarget-feature=+crt-static${part}-Ctarget-cpu=x86-64-v3"
flags="$flags${part}--remap-path-prefix=$stage=/sealsum"
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    flags="$flags${part}--remap-path-prefix=$registry=/crates"
done
commit=$(rustc --version --verbose | sed -n 's/^commit-hash: //p')
flags="$flags${part}--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit"
export CARGO_ENCODED_RUSTFLAGS="$flags"
cargo build --release --locked --offline --target "$target" -p sealsum-enclave

cp "$cache/target/$target/release/sealsum-enclave" "$out/sealsum-enclave"
