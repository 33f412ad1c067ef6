;; memory.copy and memory.fill of a few bytes, which stubs do without asking the engine: all lengths around
;; what they take, with ranges that overlap, against loops of single bytes.

(module
  (memory (export "memory") 2)

  ;; Writes bytes that differ from their neighbours from 0x1000 on and, as a copy, from 0x2000 on.
  (func $pattern (local $i i32)
    (loop $next
      (i32.store8 offset=0x1000 (local.get $i) (i32.mul (local.get $i) (i32.const 0x9d)))
      (i32.store8 offset=0x2000 (local.get $i) (i32.mul (local.get $i) (i32.const 0x9d)))
      (br_if $next (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 600)))))

  ;; Bytes that differ between the two.
  (func $differ (result i32) (local $i i32) (local $count i32)
    (loop $next
      (local.set $count (i32.add (local.get $count) (i32.ne
        (i32.load8_u offset=0x1000 (local.get $i)) (i32.load8_u offset=0x2000 (local.get $i)))))
      (br_if $next (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 600))))
    (local.get $count))

  ;; Copies by way of 0x3000, byte by byte.
  (func $copy_bytes (param $to i32) (param $from i32) (param $len i32) (local $i i32)
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $len)))
      (i32.store8 offset=0x3000 (local.get $i)
        (i32.load8_u offset=0x2000 (i32.add (local.get $from) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.set $i (i32.const 0))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $len)))
      (i32.store8 offset=0x2000 (i32.add (local.get $to) (local.get $i))
        (i32.load8_u offset=0x3000 (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next))))

  (func $fill_bytes (param $to i32) (param $value i32) (param $len i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $len)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (i32.store8 offset=0x2000 (i32.add (local.get $to) (local.get $len)) (local.get $value))
      (br $next))))

  ;; Wrong bytes of all copies of $len bytes between places that are at most 140 bytes apart.
  (func $copies (export "copies") (param $len i32) (result i32)
    (local $distance i32) (local $wrong i32) (local $to i32)
    (local.set $distance (i32.const -140))
    (loop $next
      (call $pattern)
      (local.set $to (i32.add (i32.const 200) (local.get $distance)))
      (memory.copy
        (i32.add (i32.const 0x1000) (local.get $to)) (i32.const 0x10c8) (local.get $len))
      (call $copy_bytes (local.get $to) (i32.const 200) (local.get $len))
      (local.set $wrong (i32.add (local.get $wrong) (call $differ)))
      (local.set $distance (i32.add (local.get $distance) (i32.const 7)))
      (br_if $next (i32.le_s (local.get $distance) (i32.const 140))))
    (local.get $wrong))

  ;; Wrong bytes of a fill.
  (func $fills (export "fills") (param $len i32) (result i32)
    (call $pattern)
    (memory.fill (i32.const 0x1003) (i32.const 0xabcdef01) (local.get $len))
    (call $fill_bytes (i32.const 3) (i32.const 0xabcdef01) (local.get $len))
    (call $differ))

  ;; Wrong bytes of all lengths.
  (func (export "all_copies") (result i32) (local $len i32) (local $wrong i32)
    (loop $next
      (local.set $wrong (i32.add (local.get $wrong) (call $copies (local.get $len))))
      (br_if $next (i32.lt_u
        (local.tee $len (i32.add (local.get $len) (i32.const 1))) (i32.const 140))))
    (local.get $wrong))
  (func (export "all_fills") (result i32) (local $len i32) (local $wrong i32)
    (loop $next
      (local.set $wrong (i32.add (local.get $wrong) (call $fills (local.get $len))))
      (br_if $next (i32.lt_u
        (local.tee $len (i32.add (local.get $len) (i32.const 1))) (i32.const 300))))
    (local.get $wrong))

  (func (export "copy") (param i32 i32 i32)
    (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i32 i32 i32)
    (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
)

(assert_return (invoke "copies" (i32.const 5)) (i32.const 0))
(assert_return (invoke "all_copies") (i32.const 0))
(assert_return (invoke "all_fills") (i32.const 0))

;; Up to the end of the memory, and not a byte further.
(assert_return (invoke "fill" (i32.const 0x1fffd) (i32.const 7) (i32.const 3)))
(assert_return (invoke "load" (i32.const 0x1ffff)) (i32.const 7))
(assert_trap (invoke "fill" (i32.const 0x1fffd) (i32.const 8) (i32.const 4)) "out of bounds memory access")
(assert_return (invoke "load" (i32.const 0x1fffd)) (i32.const 7))
(assert_return (invoke "copy" (i32.const 0x100) (i32.const 0x1ffff) (i32.const 1)))
(assert_return (invoke "load" (i32.const 0x100)) (i32.const 7))
(assert_trap (invoke "copy" (i32.const 0x101) (i32.const 0x1ffff) (i32.const 2)) "out of bounds memory access")
(assert_return (invoke "load" (i32.const 0x101)) (i32.const 0))
(assert_trap (invoke "copy" (i32.const 0x1fff1) (i32.const 0) (i32.const 16)) "out of bounds memory access")
(assert_trap (invoke "copy" (i32.const -1) (i32.const 0) (i32.const 1)) "out of bounds memory access")
(assert_trap (invoke "copy" (i32.const 0) (i32.const -1) (i32.const 128)) "out of bounds memory access")
(assert_return (invoke "copy" (i32.const 0x20000) (i32.const 0x20000) (i32.const 0)))
(assert_trap (invoke "copy" (i32.const 0x20001) (i32.const 0) (i32.const 0)) "out of bounds memory access")
(assert_trap (invoke "fill" (i32.const 0x20001) (i32.const 0) (i32.const 0)) "out of bounds memory access")

;; Addresses of 64 bits, whose sum with the length may be too large for them.
(module
  (memory i64 1)
  (func (export "copy") (param i64 i64 i64)
    (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i64 i32 i64)
    (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "load") (param i64) (result i64) (i64.load (local.get 0)))
)
(assert_return (invoke "fill" (i64.const 3) (i32.const 0x55) (i64.const 70)))
(assert_return (invoke "copy" (i64.const 0xfff8) (i64.const 8) (i64.const 8)))
(assert_return (invoke "load" (i64.const 0xfff8)) (i64.const 0x5555555555555555))
(assert_trap (invoke "copy" (i64.const -1) (i64.const 0) (i64.const 2)) "out of bounds memory access")
(assert_trap (invoke "copy" (i64.const 0) (i64.const -2) (i64.const 3)) "out of bounds memory access")
(assert_trap (invoke "fill" (i64.const -8) (i32.const 0) (i64.const 9)) "out of bounds memory access")
(assert_trap (invoke "fill" (i64.const 0) (i32.const 0) (i64.const -1)) "out of bounds memory access")
(assert_return (invoke "load" (i64.const 0)) (i64.const 0x5555555555000000))

;; Memories other than the first.
(module
  (memory 1)
  (memory $other 1)
  (data (memory $other) (i32.const 0) "0123456789abcdefghijklmnopqrstuvwxyz")
  (func (export "between") (result i32)
    (memory.copy 0 $other (i32.const 8) (i32.const 10) (i32.const 8))
    (i32.load (i32.const 8)))
  (func (export "within") (result i32)
    (memory.copy $other $other (i32.const 0) (i32.const 10) (i32.const 8))
    (i32.load $other (i32.const 0)))
  (func (export "fill") (result i32)
    (memory.fill $other (i32.const 0) (i32.const 0x31) (i32.const 8))
    (i32.load (i32.const 0)))
)
(assert_return (invoke "between") (i32.const 0x64636261))
(assert_return (invoke "within") (i32.const 0x64636261))
(assert_return (invoke "fill") (i32.const 0))
