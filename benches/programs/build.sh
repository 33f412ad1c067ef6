#!/bin/sh
# Builds src/*.c into wasm/*.wasm. A program whose name ends in -simd may use 128-bit vectors.
# Those of the warm-up curve are built a second time, into curves/*.wasm.
#
# CC is a C compiler that knows -target wasm32-wasi and brings its C library. One source of
# such a compiler is the PyPI package ziglang (0.17.1 built the committed files):
#   python3 -m venv venv && venv/bin/pip install ziglang==0.17.1
#   CC="venv/bin/python -m ziglang cc" ./build.sh [NAME...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CC:=python3 -m ziglang cc}"
curves="gemm recursion interpreter lz markdown"
mkdir -p "$here/wasm" "$here/curves"
[ $# -gt 0 ] || set -- $(cd "$here/src" && ls ./*.c | sed 's|^\./||; s|\.c$||')
for name; do
  case $name in *-simd) vectors=-msimd128 ;; *) vectors= ;; esac
  # shellcheck disable=SC2086
  $CC -target wasm32-wasi -O2 -s -std=gnu17 -Wall -Wextra $vectors \
    "$here/src/$name.c" -o "$here/wasm/$name.wasm"
  chmod 644 "$here/wasm/$name.wasm"
  case " $curves " in
  *" $name "*)
    $CC -target wasm32-wasi -O2 -s -std=gnu17 -Wall -Wextra -DBENCH_CURVE \
      "$here/src/$name.c" -o "$here/curves/$name.wasm"
    chmod 644 "$here/curves/$name.wasm"
    ;;
  esac
done
