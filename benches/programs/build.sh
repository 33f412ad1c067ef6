#!/bin/sh
# Builds src/*.c into wasm/*.wasm. A program whose name ends in -simd may use 128-bit vectors.
#
# CC is a C compiler that knows -target wasm32-wasi and brings its C library. One source of
# such a compiler is the PyPI package ziglang (0.17.1 built the committed files):
#   python3 -m venv venv && venv/bin/pip install ziglang==0.17.1
#   CC="venv/bin/python -m ziglang cc" ./build.sh [NAME...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CC:=python3 -m ziglang cc}"
mkdir -p "$here/wasm"
[ $# -gt 0 ] || set -- $(cd "$here/src" && ls ./*.c | sed 's|^\./||; s|\.c$||')
for name; do
  case $name in *-simd) vectors=-msimd128 ;; *) vectors= ;; esac
  # shellcheck disable=SC2086
  $CC -target wasm32-wasi -O2 -s -std=gnu17 -Wall -Wextra $vectors \
    "$here/src/$name.c" -o "$here/wasm/$name.wasm"
  chmod 644 "$here/wasm/$name.wasm"
done
