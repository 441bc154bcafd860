#!/bin/sh
# Builds the image's one program: static, and the same bytes in every folder.
#
#   enclave/image/build.sh OUT
#
# writes OUT/sealsum-enclave. The Dockerfile and `cargo xtask image` both call this, so
# that there is one way to build. It needs the Rust toolchain named below, a C compiler and
# the static C library. With SEALSUM_IMAGE_CACHE=FOLDER, what is compiled is kept there.
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

# Another compiler, another program.
rustc=1.95.0
found=$(rustc --version | cut -d ' ' -f 2)
if [ "$found" != "$rustc" ]; then
    echo "build.sh: rustc is $found, and images are built with $rustc; rustup toolchain install $rustc" >&2
    exit 1
fi

# One build at a time: cargo tells what is stale by times, and two stages look alike to it.
exec 9>"$cache/lock"
flock 9

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
    tables drop '^\[(dev-dependencies|\[(bench|test|example))' "$repository/$folder/Cargo.toml" >"$stage/$folder/Cargo.toml"
done
tables drop '^\[(workspace|profile|dev-dependencies)' "$repository/enclave/nitro/Cargo.toml" >"$stage/enclave/nitro/Cargo.toml"
{
    printf '[workspace]\nresolver = "3"\nmembers = ["enclave/nitro"]\n'
    tables keep '^\[workspace\.(package|dependencies|lints)' "$repository/Cargo.toml"
    tables keep '^\[profile\.release\]' "$repository/enclave/nitro/Cargo.toml"
} >"$stage/Cargo.toml"
cp "$repository/enclave/nitro/Cargo.lock" "$stage/Cargo.lock"

cd "$stage"
CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
CARGO_HOME=$(mkdir -p "$CARGO_HOME" && cd "$CARGO_HOME" && pwd -P)

# Settings of cargo's that reach what is compiled stop the build: where crates come from may be
# set (the lock file has their digests), how they are compiled may not.
refuse_settings() { # FOLDER
    for settings in "$1/config.toml" "$1/config"; do
        [ -f "$settings" ] || continue
        foreign=$(awk '/^[[:space:]]*\[/ {
                name = $0; gsub(/[][[:space:]"]/, "", name); sub(/\..*/, "", name)
                if (name !~ /^(alias|source|registries|registry|net|http|term|cache|install)$/) print "[" name "]"
                inside = 1
            }
            !inside && /^[[:space:]]*[a-z].*=/ { print $1 }' "$settings")
        if [ -n "$foreign" ]; then
            echo "build.sh: $settings sets" $foreign "which could change the program; build with another CARGO_HOME or in another folder" >&2
            exit 1
        fi
    done
}
refuse_settings "$CARGO_HOME"
folder=$stage
while [ "$folder" != / ]; do
    folder=$(dirname "$folder")
    refuse_settings "${folder%/}/.cargo"
done

# The environment, too, could add to the build, so nearly nothing of it is passed on.
clean() { # COMMAND...
    env -i PATH="$PATH" HOME="$HOME" CARGO_HOME="$CARGO_HOME" \
        ${RUSTUP_HOME+RUSTUP_HOME="$RUSTUP_HOME"} ${RUSTUP_TOOLCHAIN+RUSTUP_TOOLCHAIN="$RUSTUP_TOOLCHAIN"} \
        ${http_proxy+http_proxy="$http_proxy"} ${https_proxy+https_proxy="$https_proxy"} ${no_proxy+no_proxy="$no_proxy"} ${HTTPS_PROXY+HTTPS_PROXY="$HTTPS_PROXY"} \
        ${SSL_CERT_FILE+SSL_CERT_FILE="$SSL_CERT_FILE"} ${SSL_CERT_DIR+SSL_CERT_DIR="$SSL_CERT_DIR"} \
        CARGO_INCREMENTAL=0 LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=0 "$@"
}
target=x86_64-unknown-linux-gnu
clean cargo fetch --locked --target "$target"
# Compiled C is kept by name, not by compiler.
compilers=$({ rustc --version --verbose; cc --version; ld --version; } | sha256sum | cut -c 1-16)

# No path of this machine in the program: sources have the same names everywhere. Flags are
# parted by a character that no path has.
part=$(printf '\037')
flags="-Ctarget-feature=+crt-static${part}-Ctarget-cpu=x86-64-v3"
flags="$flags${part}--remap-path-prefix=$stage=/sealsum"
for registry in "$CARGO_HOME"/registry/src/*; do
    flags="$flags${part}--remap-path-prefix=$registry=/crates"
done
commit=$(rustc --version --verbose | sed -n 's/^commit-hash: //p')
flags="$flags${part}--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit"
clean CARGO_ENCODED_RUSTFLAGS="$flags" CARGO_TARGET_DIR="$cache/target-$compilers" \
    cargo build --release --locked --offline --target "$target" -p sealsum-enclave

cp "$cache/target-$compilers/$target/release/sealsum-enclave" "$out/sealsum-enclave"
