;; Branches on null with everything live: values in all registers, latent locals and constants on
;; the stack, and labels with no, one and several results, forward and backward, in every order.

(module
  (type $f (func (param i64) (result i64)))
  (func $inc (type $f) (i64.add (local.get 0) (i64.const 1)))
  (func $dec (type $f) (i64.sub (local.get 0) (i64.const 1)))
  (elem declare func $inc $dec)
  (table $t 3 (ref null $f))
  (elem (table $t) (i32.const 1) (ref $f) (ref.func $inc) (ref.func $dec))

  (func (export "null to empty") (param $i i32) (param i64 i64 i64 i64) (result i64)
    (local $r (ref null $f))
    (i64.mul (local.get 1) (i64.const 3))
    (i64.mul (local.get 2) (i64.const 4))
    (i64.mul (local.get 3) (i64.const 5))
    (i64.mul (local.get 4) (i64.const 6))
    (i64.mul (local.get 1) (i64.const 7))
    (i64.mul (local.get 2) (i64.const 8))
    (i64.mul (local.get 3) (i64.const 9))
    (i64.mul (local.get 4) (i64.const 10))
    (i64.mul (local.get 1) (i64.const 11))
    (i64.mul (local.get 2) (i64.const 12))
    (i64.mul (local.get 3) (i64.const 13))
    (i64.mul (local.get 4) (i64.const 14))
    (i64.mul (local.get 1) (i64.const 15))
    (i64.mul (local.get 2) (i64.const 16))
    (block $null
      (local.set 2 (i64.add (local.get 2) (i64.const 9)))
      (br_on_null $null (table.get $t (local.get $i)))
      (local.set $r)
      (local.set 3 (call_ref $f (local.get 3) (local.get $r))))
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    (i64.add (local.get 2)) (i64.add (local.get 3)))
  (func (export "null to one") (param $i i32) (param i64 i64 i64 i64) (result i64)
    (local $r (ref null $f))
    (block $null (result i64)
    (i64.mul (local.get 1) (i64.const 5))
    (i64.mul (local.get 2) (i64.const 6))
    (i64.mul (local.get 3) (i64.const 7))
    (i64.mul (local.get 4) (i64.const 8))
    (i64.mul (local.get 1) (i64.const 9))
    (i64.mul (local.get 2) (i64.const 10))
    (i64.mul (local.get 3) (i64.const 11))
    (i64.mul (local.get 4) (i64.const 12))
    (i64.mul (local.get 1) (i64.const 13))
    (i64.mul (local.get 2) (i64.const 14))
    (i64.mul (local.get 3) (i64.const 15))
    (i64.mul (local.get 4) (i64.const 16))
    (i64.mul (local.get 1) (i64.const 17))
    (i64.mul (local.get 2) (i64.const 18))
      (local.set $r (br_on_null $null (table.get $t (local.get $i))))
      (i64.const 77) (br_on_null $null (table.get $t (i32.shr_u (local.get $i) (i32.const 1)))) (drop) (drop)
      (local.get 4) (br_on_null $null (table.get $t (i32.and (local.get $i) (i32.const 1)))) (drop) (drop)
      (i64.eq (local.get 1) (local.get 2)) (i64.extend_i32_u) (br_on_null $null (local.get $r)) (drop)
      (i64.add)
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
      (call_ref $f (local.get $r)))
    (i64.add (local.get 1)))
  (func (export "null to many") (param $i i32) (param i64 i64 i64 i64) (result i64)
    (local $r (ref null $f))
    (block $null (result i64 i64 f64 i64)
    (i64.mul (local.get 1) (i64.const 7))
    (i64.mul (local.get 2) (i64.const 8))
    (i64.mul (local.get 3) (i64.const 9))
    (i64.mul (local.get 4) (i64.const 10))
    (i64.mul (local.get 1) (i64.const 11))
    (i64.mul (local.get 2) (i64.const 12))
    (i64.mul (local.get 3) (i64.const 13))
    (i64.mul (local.get 4) (i64.const 14))
    (i64.mul (local.get 1) (i64.const 15))
    (i64.mul (local.get 2) (i64.const 16))
    (i64.mul (local.get 3) (i64.const 17))
    (i64.mul (local.get 4) (i64.const 18))
    (i64.mul (local.get 1) (i64.const 19))
    (i64.mul (local.get 2) (i64.const 20))
      (i64.const 3) (local.get 2) (f64.convert_i64_s (local.get 3)) (i64.sub (local.get 4) (local.get 1))
      (br_on_null $null (table.get $t (local.get $i)))
      (local.set $r)
      (local.set 1) (i64.trunc_sat_f64_s) (local.set 2) (local.set 3) (drop)
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
      (call_ref $f (local.get $r)) (local.get 3) (f64.convert_i64_s (local.get 2)) (local.get 1))
    (local.set 1) (local.set 2 (i64.trunc_sat_f64_s))
    (i64.mul) (i64.add (local.get 1)) (i64.add (local.get 2)))
  (func (export "null to loop") (param $i i32) (param i64 i64 i64 i64) (result i64)
    (local $r (ref null $f)) (local $n i32)
    (local.set $n (i32.const 5))
    (local.get 1) (local.get 2)
    (loop $again (param i64 i64) (result i64)
      (local.set 3) (local.set 4 (i64.add (local.get 4)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (i64.mul (local.get 1) (i64.const 11))
    (i64.mul (local.get 2) (i64.const 12))
    (i64.mul (local.get 3) (i64.const 13))
    (i64.mul (local.get 4) (i64.const 14))
    (i64.mul (local.get 1) (i64.const 15))
    (i64.mul (local.get 2) (i64.const 16))
    (i64.mul (local.get 3) (i64.const 17))
    (i64.mul (local.get 4) (i64.const 18))
    (i64.mul (local.get 1) (i64.const 19))
    (i64.mul (local.get 2) (i64.const 20))
    (i64.mul (local.get 3) (i64.const 21))
    (i64.mul (local.get 4) (i64.const 22))
    (i64.mul (local.get 1) (i64.const 23))
    (i64.mul (local.get 2) (i64.const 24))
      (local.get 4) (i64.add (local.get 3) (i64.const 2))
      (br_on_null $again (table.get $t (select (i32.const 0) (local.get $i) (local.get $n))))
      (local.set $r) (i64.add)
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
      (call_ref $f (local.get $r)))
    (i64.add (local.get 4)))
  (func (export "non null to one") (param $i i32) (param i64 i64 i64 i64) (result i64)
    (local $r (ref null $f))
    (block $some (result (ref null $f))
    (i64.mul (local.get 1) (i64.const 13))
    (i64.mul (local.get 2) (i64.const 14))
    (i64.mul (local.get 3) (i64.const 15))
    (i64.mul (local.get 4) (i64.const 16))
    (i64.mul (local.get 1) (i64.const 17))
    (i64.mul (local.get 2) (i64.const 18))
    (i64.mul (local.get 3) (i64.const 19))
    (i64.mul (local.get 4) (i64.const 20))
    (i64.mul (local.get 1) (i64.const 21))
    (i64.mul (local.get 2) (i64.const 22))
    (i64.mul (local.get 3) (i64.const 23))
    (i64.mul (local.get 4) (i64.const 24))
    (i64.mul (local.get 1) (i64.const 25))
    (i64.mul (local.get 2) (i64.const 26))
      (br_on_non_null $some (table.get $t (local.get $i)))
      (br_on_non_null $some (table.get $t (i32.shr_u (local.get $i) (i32.const 1))))
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
      (return (i64.add (local.get 4))))
    (local.set $r) (call_ref $f (local.get 2) (ref.as_non_null (local.get $r)))
    (i64.add (i64.mul (local.get 3) (local.get 4))))
  (func (export "non null to many") (param $i i32) (param i64 i64 i64 i64) (result i64)
    (local $r (ref null $f))
    (block $some (result i64 f64 i64 (ref $f))
    (i64.mul (local.get 1) (i64.const 17))
    (i64.mul (local.get 2) (i64.const 18))
    (i64.mul (local.get 3) (i64.const 19))
    (i64.mul (local.get 4) (i64.const 20))
    (i64.mul (local.get 1) (i64.const 21))
    (i64.mul (local.get 2) (i64.const 22))
    (i64.mul (local.get 3) (i64.const 23))
    (i64.mul (local.get 4) (i64.const 24))
    (i64.mul (local.get 1) (i64.const 25))
    (i64.mul (local.get 2) (i64.const 26))
    (i64.mul (local.get 3) (i64.const 27))
    (i64.mul (local.get 4) (i64.const 28))
    (i64.mul (local.get 1) (i64.const 29))
    (i64.mul (local.get 2) (i64.const 30))
      (i64.const -4) (f64.const 2.5) (i64.add (local.get 1) (local.get 3))
      (br_on_non_null $some (table.get $t (local.get $i)))
      (drop) (drop) (drop)
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
      (f64.const 1.5) (local.get 4) (ref.func $dec))
    (call_ref $f) (local.set 2) (i64.trunc_sat_f64_s) (i64.add) (i64.add (local.get 2)))
  (func (export "null returns") (param $i i32) (param i64 i64 i64 i64) (result i64)
    (i64.mul (local.get 1) (i64.const 19))
    (i64.mul (local.get 2) (i64.const 20))
    (i64.mul (local.get 3) (i64.const 21))
    (i64.mul (local.get 4) (i64.const 22))
    (i64.mul (local.get 1) (i64.const 23))
    (i64.mul (local.get 2) (i64.const 24))
    (i64.mul (local.get 3) (i64.const 25))
    (i64.mul (local.get 4) (i64.const 26))
    (i64.mul (local.get 1) (i64.const 27))
    (i64.mul (local.get 2) (i64.const 28))
    (i64.mul (local.get 3) (i64.const 29))
    (i64.mul (local.get 4) (i64.const 30))
    (i64.mul (local.get 1) (i64.const 31))
    (i64.mul (local.get 2) (i64.const 32))
    (br_on_null 0 (table.get $t (local.get $i)))
    (drop)
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    i64.const 7 i64.rotl i64.xor
    )
  (func (export "null returns many") (param $i i32) (result i64 i64 f64 i64 i64 i64 i64 i64 i64 i64)
    (i64.const 1) (i64.const 2) (f64.const 3) (i64.const 4) (i64.const 5)
    (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.extend_i32_u (local.get $i))
    (br_on_null 0 (table.get $t (local.get $i)))
    (drop) (drop) (i64.const 100))
)

(assert_return (invoke "null to empty" (i32.const 0) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const -4150666357950240691))
(assert_return (invoke "null to empty" (i32.const 1) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const -4150666357950240690))
(assert_return (invoke "null to empty" (i32.const 2) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const -4150666357950240692))
(assert_return (invoke "null to one" (i32.const 0) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 1400987))
(assert_return (invoke "null to one" (i32.const 1) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 1078))
(assert_return (invoke "null to one" (i32.const 2) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 987655322))
(assert_return (invoke "null to many" (i32.const 0) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 1111343440))
(assert_return (invoke "null to many" (i32.const 1) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 8633449564625724206))
(assert_return (invoke "null to many" (i32.const 2) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 8633449564625568652))
(assert_return (invoke "null to loop" (i32.const 1) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const -1132931514749035014))
(assert_return (invoke "null to loop" (i32.const 2) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const -1132931514749035016))
(assert_return (invoke "non null to one" (i32.const 0) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 474351925961861380))
(assert_return (invoke "non null to one" (i32.const 1) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 121932631112713047))
(assert_return (invoke "non null to one" (i32.const 2) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 121932631112713045))
(assert_return (invoke "non null to many" (i32.const 0) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const -7079224790175131389))
(assert_return (invoke "non null to many" (i32.const 1) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 123457789))
(assert_return (invoke "non null to many" (i32.const 2) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 123457787))
(assert_return (invoke "null returns" (i32.const 0) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 2488864))
(assert_return (invoke "null returns" (i32.const 1) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 913064422426170110))
(assert_return (invoke "null returns" (i32.const 2) (i64.const 1001) (i64.const 77777) (i64.const 123456789) (i64.const 987654321))
  (i64.const 913064422426170110))
(assert_return (invoke "null returns many" (i32.const 0))
  (i64.const 1) (i64.const 2) (f64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
  (i64.const 8) (i64.const 9) (i64.const 0))
(assert_return (invoke "null returns many" (i32.const 1))
  (i64.const 1) (i64.const 2) (f64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
  (i64.const 8) (i64.const 9) (i64.const 100))
