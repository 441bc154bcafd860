#!/usr/bin/env bash
# Runs a command beside a PostgreSQL and an S3 server of its own, and ends them with it:
#
#   parent/tests/servers/with.sh VENV COMMAND...
#
# PostgreSQL is Debian's, run as an unprivileged user in a folder of its own, on a Unix socket and,
# with TLS, on a loopback port. The S3 server is moto's from PyPI, in the virtual environment VENV.
# The command is told of them by SEALSUM_TEST_DATABASE, SEALSUM_TEST_DATABASE_TLS,
# SEALSUM_TEST_AUTHORITY and SEALSUM_TEST_S3.
set -euo pipefail
cd "$(dirname "$0")"
venv=$1
shift

installed() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }
bin=$(installed)
if [ -z "$bin" ]; then
    # Debian's package would start a server of its own.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    apt-get update -qq && apt-get install -y -qq postgresql openssl
    bin=$(installed)
fi
python3 -m venv "$venv" 2>/dev/null || {
    apt-get update -qq && apt-get install -y -qq python3-venv && python3 -m venv --clear "$venv"
}
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement requirements.txt

folder=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do
        # SIGINT is PostgreSQL's fast shutdown, and enough for the other.
        kill -INT "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
await() { # what log command...
    local what=$1 log=$2
    shift 2
    for _ in $(seq 150); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.2
    done
    printf '%s did not start:\n' "$what" >&2
    cat "$log" >&2
    exit 1
}

# initdb refuses to run as root.
as_user=()
if [ "$(id -u)" = 0 ]; then
    as_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
# A certificate that is its own authority, for this run alone.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
    -keyout "$folder/server.key" -out "$folder/server.crt" 2>/dev/null
mkdir "$folder/data" "$folder/socket"
chmod 755 "$folder"
if [ "$(id -u)" = 0 ]; then
    chown nobody:nogroup "$folder/data" "$folder/socket" "$folder/server.key"
fi
chmod 600 "$folder/server.key"

cd /
"${as_user[@]}" "$bin/initdb" --pgdata "$folder/data" --username sealsum --auth trust --encoding UTF8 \
    --no-locale --no-instructions >"$folder/initdb.log"
port=$(free_port)
"${as_user[@]}" "$bin/postgres" -D "$folder/data" -k "$folder/socket" -p "$port" \
    -c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file="$folder/server.crt" \
    -c ssl_key_file="$folder/server.key" -c max_connections=200 >"$folder/postgres.log" 2>&1 &
pids+=($!)
await PostgreSQL "$folder/postgres.log" "$bin/pg_isready" -h "$folder/socket" -p "$port"

s3_port=$(free_port)
"$venv/bin/moto_server" -H 127.0.0.1 -p "$s3_port" >"$folder/moto.log" 2>&1 &
pids+=($!)
await "moto's server" "$folder/moto.log" python3 -c "import socket; socket.create_connection(('127.0.0.1', $s3_port))"

cd - >/dev/null
cd ../../..
export SEALSUM_TEST_DATABASE="postgresql://sealsum@${folder//\//%2F}%2Fsocket:$port/postgres"
export SEALSUM_TEST_DATABASE_TLS="postgresql://sealsum@localhost:$port/postgres?sslmode=require"
export SEALSUM_TEST_AUTHORITY="$folder/server.crt"
export SEALSUM_TEST_S3="http://127.0.0.1:$s3_port"
"$@"
